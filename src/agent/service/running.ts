/**
 * The agent that runs with a configuration, however it was started, as its control socket shows it. Its account is who asks:
 * another account's socket must not make root end a process of its choice.
 */
import { RexecError } from "../../lib/errors.ts";
import { isAlive, readProcess } from "../../pty/procfs.ts";
import { askStatus } from "../control/client.ts";
import type { AgentStatus } from "../control/messages.ts";
import { homeOf, runtimePlaces } from "../control/place.ts";
import { findAgent } from "../daemon/find.ts";
import { restartRunning } from "../restart/ask.ts";
import { accountFor, asOwnerOf } from "../trust/as-owner.ts";
import type { ServiceSpec } from "./spec.ts";

/** How long an agent may take to say where it stands with the server, ms. */
const SETTLE_MS = 25_000;
/** How long one that is known to run may take to answer at all, ms. */
const ANSWER_MS = 2_000;
/** How long one may take to end its shells, ms. */
const STOP_MS = 40_000;
const POLL_MS = 50;

type Environment = Readonly<Record<string, string | undefined>>;

/** What it says of itself, or null where none runs, or none that answers. */
export function runningAgent(spec: ServiceSpec, env: Environment): Promise<AgentStatus | null> {
  return asOwnerOf(spec.config, async () => {
    for (const place of placesOf(spec, env)) {
      const status = await askStatus(place).catch(() => null);
      if (status) return status;
    }
    return null;
  });
}

/**
 * Restarts it in place, where its shells stay open.
 * @throws RexecError where it cannot: it goes on as before, unless it says otherwise
 */
export function restartAgent(spec: ServiceSpec, env: Environment): Promise<void> {
  return asOwnerOf(spec.config, async () => {
    const agent = await findAgent(placesOf(spec, env));
    if (!agent) throw new RexecError("it does not answer", { code: "not_running" });
    await restartRunning(agent);
  });
}

/** The same, given a moment to answer. */
export async function answeringAgent(spec: ServiceSpec, env: Environment): Promise<AgentStatus | null> {
  const deadline = performance.now() + ANSWER_MS;
  for (;;) {
    const status = await runningAgent(spec, env);
    if (status || performance.now() > deadline) return status;
    await Bun.sleep(POLL_MS);
  }
}

/** Waits until it is connected, or has found that it cannot be now; null where it says nothing in time. */
export async function settledAgent(spec: ServiceSpec, env: Environment): Promise<AgentStatus | null> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const status = await runningAgent(spec, env);
    if (status && status.connection !== "connecting") return status;
    if (performance.now() > deadline) return status;
    await Bun.sleep(POLL_MS);
  }
}

/** Ends it as Ctrl-C does, and waits. @throws RexecError `agent_stays`, `agent_forbidden` */
export function stopAgent(spec: ServiceSpec, { pid }: AgentStatus): Promise<void> {
  return asOwnerOf(spec.config, () => end(pid));
}

// --- internal ---

async function end(pid: number): Promise<void> {
  const entry = readProcess(pid);
  if (!entry) return;
  try {
    process.kill(pid, "SIGTERM");
  } catch (cause) {
    throw new RexecError(`the process ${pid} that the running agent names is not of its account`, {
      code: "agent_forbidden",
      hint: "nothing was ended: look at what answers there with rexec-agent status",
      cause,
    });
  }
  const deadline = performance.now() + STOP_MS;
  while (isAlive(entry)) {
    if (performance.now() > deadline) {
      throw new RexecError(`the agent that runs already (pid ${pid}) does not end`, {
        code: "agent_stays",
        hint: `end it, then run this again: sudo kill -9 ${pid}`,
      });
    }
    await Bun.sleep(POLL_MS);
  }
}

function placesOf(spec: ServiceSpec, env: Environment) {
  const uid = accountFor(spec.config);
  // Root asks the socket of another account's agent in that account's folders.
  const theirs = spec.user === null ? env : { HOME: homeOf(spec.config, uid) };
  return runtimePlaces(spec.config, theirs, uid);
}
