/** Asks a running agent to restart in place, and waits until it has. */
import { RexecError } from "../../lib/errors.ts";
import { askAgent, askStatus } from "../control/client.ts";
import type { AgentStatus } from "../control/messages.ts";
import type { FoundAgent } from "../daemon/find.ts";
import { scopeWords, unitOf } from "../daemon/supervisor.ts";

/** How long it may take to see that it can, ms. */
const ASK_MS = 12_000;
/** How long it may take to do it, commands of rexec.v1 included, and then to connect, ms. */
const DONE_MS = 20_000;
const CONNECT_MS = 20_000;
const POLL_MS = 50;

/** The agent after its restart. */
export interface Restarted {
  /** Of the agent as it runs now. */
  status: AgentStatus;
  isConnected: boolean;
}

/** @throws RexecError where it does not: why, and how to restart it otherwise */
export async function restartRunning({ place, process: entry, status }: FoundAgent): Promise<Restarted> {
  const count = status?.restart?.count;
  if (count === undefined) throw otherwise("it is of a version that cannot", entry?.pid);
  const answer = await askAgent(place, { do: "restart" }, { timeoutMs: ASK_MS });
  if (answer === null) throw otherwise("it does not answer", entry?.pid);
  if (!answer.ok) throw new RexecError(answer.message, { code: answer.code, hint: answer.hint });
  const isDone = (now: AgentStatus) => (now.restart?.count ?? 0) > count;
  const now = await poll(place, DONE_MS, (one) => isDone(one) || Boolean(one.restart?.problem));
  if (!now) throw otherwise("it has not come back", entry?.pid);
  if (!isDone(now)) {
    throw new RexecError(`it could not restart in place: ${now.restart?.problem}`, {
      code: "restart_failed",
      hint: "it goes on as before",
    });
  }
  const connected = await poll(place, CONNECT_MS, ({ connection }) => connection === "connected");
  return { status: connected ?? now, isConnected: connected !== null };
}

// --- internal ---

/** Its status once it is as wanted; null where it is not in time. */
async function poll(
  place: FoundAgent["place"],
  ms: number,
  isWanted: (status: AgentStatus) => boolean,
): Promise<AgentStatus | null> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    // While it is replaced no agent listens, or the one that did is gone.
    const status = await askStatus(place).catch(() => null);
    if (status && isWanted(status)) return status;
    await Bun.sleep(POLL_MS);
  }
  return null;
}

function otherwise(why: string, pid: number | undefined): RexecError {
  const unit = pid ? unitOf(pid) : null;
  const command = unit
    ? ["systemctl", ...scopeWords(unit), "restart", unit.name].join(" ")
    : "rexec-agent stop, then rexec-agent start --daemon";
  return new RexecError(`the running agent cannot be restarted in place: ${why}`, {
    code: "restart_unsupported",
    hint: `${command} does it, which ends its shells`,
  });
}
