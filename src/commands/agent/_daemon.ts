/** `start --daemon`. */
import { resolve } from "node:path";
import type { AgentConfig } from "../../agent/config/config.ts";
import { type RuntimePlace, runtimePlaces } from "../../agent/control/place.ts";
import { findAgent } from "../../agent/daemon/find.ts";
import { type Launched, launch } from "../../agent/daemon/launch.ts";
import { logPlaces, openLog } from "../../agent/daemon/log-place.ts";
import { RexecError } from "../../lib/errors.ts";
import { programName, say } from "../_cli.ts";
import { ago } from "./_time.ts";

/** Options of `start` that concern only the one who starts. */
const NOT_THE_CHILDS: ReadonlySet<string> = new Set(["daemon", "wait", "config", "_"]);

/** An agent that is to run in the background; `waitMs` is the limit for its first connection. */
export interface DaemonRequest {
  config: AgentConfig;
  /** Of `start`, as they were given. */
  args: Readonly<Record<string, unknown>>;
  waitMs: number;
}

/** @returns the exit code @throws RexecError `already_running`, `not_connected`, `start_failed`, … */
export async function startDaemon({ config, args, waitMs }: DaemonRequest): Promise<number> {
  const { env } = process;
  const places = runtimePlaces(config.path, env);
  await assertNoneRuns(places);
  const [place] = places;
  const log = openLog(logPlaces(place, env));
  if (log.warning) say(`warning: ${log.warning}; it is in ${log.path} instead`);
  const launched = await launch({
    command: [...ownCommand(), "start", `--config=${config.path}`, ...wordsOf(args)],
    // The child is in another folder.
    env: { ...env, ...(config.caFile ? { REXEC_CA_FILE: resolve(config.caFile) } : {}) },
    log,
    waitMs,
    onWaiting: (reason) => say(`not connected yet: ${reason}`),
  });
  if (launched.logProblem) say(`warning: ${launched.logProblem}`);
  if (launched.outcome === "pending") return tellPending(launched, log.path);
  if (launched.outcome !== "connected") throw failure(launched, log.path);
  say(`started "${config.name}" in the background (pid ${launched.pid}), connected to ${config.host}`);
  say(`log: ${log.path}`);
  return 0;
}

/** @throws RexecError `already_running`: which process, since when, how */
export async function assertNoneRuns(places: readonly RuntimePlace[]): Promise<void> {
  const running = await findAgent(places);
  if (!running) return;
  const { process: entry, status } = running;
  const facts = [
    entry ? `pid ${entry.pid}` : "",
    status ? `since ${ago(status.started_at)}` : "",
    status && status.run !== "foreground" ? `run by ${status.run}` : "",
    status ? (status.connected_since ? "connected" : "not connected") : "it does not answer",
  ].filter(Boolean);
  throw new RexecError(`an agent with this configuration runs already (${facts.join(", ")})`, {
    code: "already_running",
    hint: "rexec-agent status shows it, rexec-agent stop ends it",
  });
}

/** This program, as it was started. */
export function ownCommand(): string[] {
  const words = programName() === "rexec" ? ["agent"] : [];
  return Bun.isStandaloneExecutable ? [process.execPath, ...words] : [process.execPath, Bun.main, ...words];
}

export function wordsOf(args: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(args).flatMap(([name, value]) => {
    // citty gives the value of an option under its letter too, and in camel case.
    if (NOT_THE_CHILDS.has(name) || name.length === 1 || /[A-Z]/.test(name)) return [];
    if (typeof value === "boolean") return value ? [`--${name}`] : [];
    return typeof value === "string" ? [`--${name}=${value}`] : [];
  });
}

/** It runs, and its machine is to be accepted first. @returns the exit code */
export function tellPending({ pid, reason }: Extract<Launched, { outcome: "pending" }>, log: string): number {
  say(`started in the background (pid ${pid}); it connects once it is accepted`);
  say(reason);
  say(`log: ${log}`);
  return 0;
}

export function failure(
  launched: Exclude<Launched, { outcome: "connected" | "pending" }>,
  log: string,
): RexecError {
  say(`the last lines of ${log}:`);
  for (const line of launched.logLines.length > 0 ? launched.logLines : ["(none)"]) say(`  ${line}`);
  if (launched.outcome === "waiting") {
    return new RexecError(`it runs (pid ${launched.pid}), but is not connected: ${launched.reason}`, {
      code: "not_connected",
      hint: "it goes on trying: rexec-agent status shows how it fares, rexec-agent stop ends it",
    });
  }
  const { exitCode, report } = launched;
  return new RexecError(report?.message ?? `it ended at once, with exit code ${exitCode}`, {
    code: report?.code ?? "start_failed",
    hint: report?.hint ?? "rexec-agent start runs it in the foreground, where it says more",
    exitCode: exitCode || 1,
  });
}
