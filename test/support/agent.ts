/** A real agent in this process, against whatever server a test names. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentOptions, runAgent } from "../../src/agent/agent.ts";
import type { AgentConfig } from "../../src/agent/config/config.ts";
import type { UplinkState } from "../../src/agent/uplink/state.ts";
import type { Logger } from "../../src/lib/log.ts";

/** A logger that keeps its lines. */
export function recordingLogger(): Logger & { lines: string[] } {
  const lines: string[] = [];
  const keep = (level: string) => (message: string) => void lines.push(`${level}: ${message}`);
  return { lines, debug: keep("debug"), info: keep("info"), warn: keep("warn"), error: keep("error") };
}

export interface RunningAgent {
  logger: ReturnType<typeof recordingLogger>;
  states: UplinkState[];
  /** Settles with the error that ended it, or null. */
  outcome: Promise<Error | null>;
  stop(): Promise<Error | null>;
}

/** Starts one; `stop` it in a finally, or use `await using`. */
export function startAgent(
  config: Partial<AgentConfig> & { host: string; token: string; agentId: string },
  options: Partial<Omit<AgentOptions, "config" | "logger" | "signal">> = {},
): RunningAgent & AsyncDisposable {
  const home = mkdtempSync(join(tmpdir(), "rexec-agent-home-"));
  const logger = recordingLogger();
  const states: UplinkState[] = [];
  const stop = new AbortController();
  const outcome = runAgent({
    env: { ...process.env, HOME: home, REXEC_TOKEN: "must-not-travel", PS1: "$ ", SHELL: "/bin/sh" },
    onState: (state) => void states.push(state),
    context: { random: () => 0.05 }, // first retry after 50 ms
    ...options,
    config: {
      path: "",
      name: "test",
      shell: "/bin/sh",
      workingDir: undefined,
      caFile: undefined,
      insecure: false,
      maxSessions: 64,
      sessionBuffer: 1024 * 1024,
      memoryBudget: 16 * 1024 * 1024,
      ...config,
    },
    logger,
    signal: stop.signal,
  }).then(
    () => null,
    (error: Error) => error,
  );
  const end = async () => {
    stop.abort();
    const result = await outcome;
    rmSync(home, { recursive: true, force: true });
    return result;
  };
  return { logger, states, outcome, stop: end, [Symbol.asyncDispose]: async () => void (await end()) };
}
