/** The sessions of an agent, over the API. Each call throws what `lib/http.ts` throws, and `no_sessions`. */

import { constants } from "node:http2";
import * as z from "zod/mini";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { HttpError, requestJson } from "../lib/http.ts";
import { printable } from "../lib/printable.ts";
import { closest } from "../lib/suggest.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import { type SessionInfo, sessionsBody } from "../protocol/v2/control.ts";
import type { Server } from "./api.ts";
import { noSessions } from "./shell/attach-context.ts";

/** Those that run and those that have ended of late. */
export async function listSessions(
  server: Server,
  agentId: string,
  signal?: AbortSignal,
): Promise<SessionInfo[]> {
  const path = `/api/agents/${pathSegment(agentId)}/sessions`;
  try {
    const { sessions } = await requestJson({
      ...server,
      method: "GET",
      path,
      schema: sessionsBody,
      limit: HTTP_LIST_BYTES,
      signal,
    });
    return sessions;
  } catch (error) {
    throw explained(error);
  }
}

/** Ends it, and everything that runs in it. */
export async function killSession(server: Server, agentId: string, session: string): Promise<void> {
  const path = `/api/agents/${pathSegment(agentId)}/sessions/${pathSegment(session)}`;
  try {
    await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
  } catch (error) {
    throw explained(error);
  }
}

/**
 * The session that is meant: its name, or the beginning of one.
 * @throws RexecError `ambiguous_session` (exit code 2), `unknown_session` (exit code 4)
 */
export function pickSession(reference: string, sessions: readonly SessionInfo[]): SessionInfo {
  const exact = sessions.find(({ session }) => session === reference);
  if (exact) return exact;
  const fitting = sessions.filter(({ session }) => session.startsWith(reference));
  const names = (fitting.length > 0 ? fitting : sessions).map(({ session }) => session);
  if (fitting[0] && fitting.length === 1) return fitting[0];
  if (fitting.length > 1) {
    const more = names.length > MOST_CANDIDATES ? ` and ${names.length - MOST_CANDIDATES} more` : "";
    throw new RexecError(
      `"${reference}" could be any of ${fitting.length}: ${names
        .slice(0, MOST_CANDIDATES)
        .map((name) => printable(name, 100))
        .join(", ")}${more}`,
      {
        code: "ambiguous_session",
        hint: "give more of the name",
        exitCode: ExitCode.usage,
      },
    );
  }
  const near = closest(reference, names);
  throw new RexecError(`there is no session "${reference}"`, {
    code: "unknown_session",
    hint: near ? `did you mean ${near}? rexec sessions lists them all` : "rexec sessions lists them all",
    exitCode: ExitCode.rejected,
  });
}

// --- internal ---

const MOST_CANDIDATES = 8;

/** The agent is known to be there: nothing at the address means a server that has none of this. */
function explained(error: unknown): unknown {
  if (!(error instanceof HttpError) || error.status !== constants.HTTP_STATUS_NOT_FOUND) return error;
  const known = error.serverCode !== undefined && error.serverCode !== "not_found";
  return known ? error : noSessions();
}
