/** Why a server wants nothing of this agent, for the person who reads the log: what to run next. */
import { ExitCode, RexecError } from "../../lib/errors.ts";
import { tokenPlace } from "../../lib/hints.ts";
import { quoteWord } from "../../lib/quote.ts";
import { tokenEnd } from "../../protocol/close-codes.ts";
import { isJwt, jwtExpiry } from "../../protocol/token.ts";

/** Who was refused, by whom. */
export interface RefusalSubject {
  host: string;
  agentId: string;
  token: string;
  /** The agent's; its id where it is not given. */
  name?: string;
}

/** The error for 401, 403 and 404, which are final; null for any other status. */
export function refusalError(status: number, subject: RefusalSubject): RexecError | null {
  const { host, agentId, token } = subject;
  if (status === 401) {
    return rejected(
      401,
      `${host} rejected the token (401): ${tokenState(token)}`,
      `make a new API token (${tokenPlace(host)}) and hand it over: rexec-agent refresh-token`,
    );
  }
  if (status === 403) {
    return rejected(
      403,
      `${host} says that this token may not connect agent ${agentId} (403)`,
      "use a token of the account that owns it (rexec-agent refresh-token), or make it a new agent: rexec-agent register --force",
    );
  }
  if (status === 404) {
    return rejected(
      404,
      `${host} knows no agent ${agentId} (404): it was deleted, or this is another server`,
      "register this machine again: rexec-agent register",
    );
  }
  return null;
}

/** Why an agent is not let in yet, and what lets it in. */
export function pendingReason({ host, name, agentId }: RefusalSubject): string {
  return `this machine waits to be accepted at ${host}: rexec accept ${quoteWord(name || agentId)}`;
}

/** The error for an agent that was deleted, or whose token was revoked or expired, while it was connected. */
export function deletedError({ host, agentId }: RefusalSubject, reason: string): RexecError {
  const end = tokenEnd(reason);
  if (end) {
    return new RexecError(
      `${host} ${end === "revoked" ? "revoked the token" : "says that the token expired"}`,
      {
        code: `token_${end}`,
        hint:
          `the agent is still registered there: make a new API token (${tokenPlace(host)}), hand it over ` +
          "(rexec-agent refresh-token) and start the agent again",
        exitCode: ExitCode.rejected,
      },
    );
  }
  return new RexecError(`${host} removed agent ${agentId}${reason ? `: ${reason}` : ""}`, {
    code: "deleted",
    hint: "register this machine again: rexec-agent register",
    exitCode: ExitCode.rejected,
  });
}

// --- internal ---

function rejected(status: number, message: string, hint: string): RexecError {
  return new RexecError(message, { code: `http_${status}`, hint, exitCode: ExitCode.rejected });
}

function tokenState(token: string): string {
  if (!isJwt(token)) return "it is wrong or was revoked";
  const expiry = jwtExpiry(token);
  if (expiry === null || expiry > Date.now()) return "it is a login token, which lasts 24 hours";
  return `it is a login token, which expired at ${new Date(expiry).toISOString()}`;
}
