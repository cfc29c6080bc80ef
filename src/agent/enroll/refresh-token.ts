/** Gives a registered agent another token: proven at the server first, written to the file, handed to the running agent. */

import { ExitCode, RexecError } from "../../lib/errors.ts";
import { tokenPlace } from "../../lib/hints.ts";
import { type Endpoint, resolveEndpoint } from "../../lib/net.ts";
import { pathSegment } from "../../protocol/path.ts";
import { isJoinToken } from "../../protocol/token.ts";
import type { ConfigFile } from "../config/file.ts";
import { type Former, ownToken, revokeFormer } from "../config/own-token.ts";
import { assertWritable, saveConfig } from "../config/save.ts";
import { askAgent } from "../control/client.ts";
import type { FoundAgent } from "../daemon/find.ts";
import { statusOf } from "./probe.ts";

/** How long the agent may take to answer: it waits for the server's word, ms. */
const AGENT_MS = 15_000;

/** The token to be put in place of the agent's. */
export interface RefreshRequest {
  /** With the agent's id. */
  file: ConfigFile;
  agentId: string;
  host: string;
  insecure: boolean;
  caFile: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  token: string;
  /** The agent that runs with that file, if one does. */
  agent: FoundAgent | null;
}

/** What became of it, for the person who asked. */
export interface RefreshOutcome {
  running:
    | { kind: "none" }
    /** It has reconnected with the token. */
    | { kind: "connected" }
    /** It has the token, and could not reach the server yet. */
    | { kind: "trying" }
    /** It has not taken it: it has to be restarted. */
    | { kind: "refused"; reason: string };
  /** The running agent was started with REXEC_TOKEN in its environment, which counts again at its next start. */
  isOverridden: boolean;
  /** The token that the file holds now. */
  token: string;
  /** The given token may do more than connect the agent: the server made another one in its place. */
  isExchanged: boolean;
  /** What became of the token that was in the file; only where it was exchanged. */
  former: Former;
  warnings: string[];
}

/** @throws RexecError `bad_token`, `http_STATUS`, `unreachable`, `config_unwritable`, …; nothing is changed then */
export async function refreshToken(request: RefreshRequest): Promise<RefreshOutcome> {
  const { file, token: given, agent, agentId } = request;
  checkToken(given);
  if (isJoinToken(given)) throw joinToken();
  const endpoint = resolveEndpoint({
    url: request.host,
    insecure: request.insecure,
    caFile: request.caFile,
    env: request.env,
  });
  await assertUsable(endpoint, agentId, given);
  assertWritable(file.path);
  const owner = { endpoint, agentId, name: file.settings.name ?? agentId };
  const before = file.settings.token;
  const { token, isExchanged, warning } = await ownToken(owner, given);
  saveConfig(file, { token });
  const running = agent ? await handOver(agent, token) : ({ kind: "none" } as const);
  const isOverridden = agent?.status != null && agent.status.token_origin !== "file";
  // An agent that may have to go back to the token of before still needs it.
  const isTaken = (running.kind === "none" || running.kind === "connected") && !isOverridden;
  const former =
    isExchanged && isTaken && before && before !== given
      ? await revokeFormer(owner, given, before)
      : ({ kind: "none" } as const);
  return { running, isOverridden, token, isExchanged, former, warnings: warning ? [warning] : [] };
}

/** @throws RexecError `bad_token` */
export function checkToken(token: string): void {
  if (/^[\x21-\x7e]+$/.test(token)) return;
  throw new RexecError("that is no API token: it is empty, or has a space or a strange character in it", {
    code: "bad_token",
    hint: "copy it again, whole and without quotes",
  });
}

// --- internal ---

function joinToken(): RexecError {
  return new RexecError(
    "that is a join token, which registers a machine and connects none; the old one was kept",
    {
      code: "bad_token",
      hint: "to make this machine a new agent with it: rexec-agent register --force --token TOKEN",
    },
  );
}

/** An agent's own token may not read the profile, and a server may not know our shorter question: one yes is enough. */
async function assertUsable(endpoint: Endpoint, agentId: string, token: string): Promise<void> {
  const ask = (path: string) => statusOf(endpoint, path, token);
  const origin = endpoint.base.origin;
  if ((await ask("/api/profile")) === 401) {
    throw rejected(
      401,
      `${origin} rejected the new token (401); the old one was kept`,
      `copy it again, or make one (${tokenPlace(origin)})`,
    );
  }
  const status = await ask(`/api/agents/${pathSegment(agentId)}`);
  if (status === 200) return;
  if (status === 404) {
    throw rejected(
      404,
      `${origin} knows no agent ${agentId} (404): it was deleted, or this is another server`,
      "register this machine again: rexec-agent register --force",
    );
  }
  throw rejected(
    status,
    `${origin} says that the new token may not use agent ${agentId} (${status}); the old one was kept`,
    "use a token of the account that owns it, or the agent's own",
  );
}

function rejected(status: number, message: string, hint: string): RexecError {
  return new RexecError(message, { code: `http_${status}`, hint, exitCode: ExitCode.rejected });
}

async function handOver({ place }: FoundAgent, token: string): Promise<RefreshOutcome["running"]> {
  try {
    const answer = await askAgent(place, { do: "reload-token", token }, { timeoutMs: AGENT_MS });
    if (answer === null) return { kind: "none" };
    if (!answer.ok) return { kind: "refused", reason: answer.message };
    return { kind: answer.connected === true ? "connected" : "trying" };
  } catch (error) {
    if (error instanceof RexecError) return { kind: "refused", reason: error.message };
    throw error;
  }
}
