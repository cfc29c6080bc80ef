import { existsSync } from "node:fs";
import { runAgent } from "../../agent/agent.ts";
import { type AgentLimits, requireRegistered } from "../../agent/config/config.ts";
import { ownPlaces, type RuntimePlace, runtimePlaces } from "../../agent/control/place.ts";
import { type DaemonChild, daemonChild } from "../../agent/daemon/child.ts";
import { runInfo } from "../../agent/daemon/supervisor.ts";
import { currentAccount } from "../../agent/machine/child-env.ts";
import { CHECK, HANDOVER, Inherited, type Readiness } from "../../agent/restart/inherited.ts";
import { restartInPlace } from "../../agent/restart/on-request.ts";
import type { Restarter } from "../../agent/restart/restarter.ts";
import { HANDOVER_VERSION } from "../../agent/restart/schema.ts";
import { supervise } from "../../agent/service/supervised.ts";
import { actingUid } from "../../agent/trust/identity.ts";
import type { UplinkState } from "../../agent/uplink/state.ts";
import { parseDuration } from "../../lib/duration.ts";
import { messageOf, RexecError, UsageError } from "../../lib/errors.ts";
import { tokenPlace } from "../../lib/hints.ts";
import type { Logger } from "../../lib/log.ts";
import { VERSION } from "../../lib/version.ts";
import { isJwt } from "../../protocol/token.ts";
import { ignoresHangup } from "../../pty/procfs.ts";
import { releaseProgramPages } from "../../pty/program-pages.ts";
import { replaceProcess } from "../../pty/replace-process.ts";
import { defineCommand, withHelp, writeOut } from "../_cli.ts";
import { surviveFaults } from "../_faults.ts";
import { assertNotEphemeral, type EphemeralArgs, ephemeralArgs } from "./_ephemeral-args.ts";
import { agentArgs, agentLogger, ENVIRONMENT_NOTE, loadAgentConfig } from "./_options.ts";
import { updateWatch } from "./_update-watch.ts";

/** What the start needed has been used by then, ms. */
const TRIM_AFTER_MS = 3_000;

export const startCommand = withHelp(
  defineCommand({
    meta: { name: "start", description: "Connect this machine and serve its shells" },
    args: {
      ...agentArgs,
      daemon: { type: "boolean", alias: "d", description: "Run in background" },
      wait: {
        type: "string",
        valueHint: "TIME",
        description:
          "How long --daemon waits for the connection before it says why there is none (default 15s)",
      },
      "max-sessions": {
        type: "string",
        valueHint: "N",
        description: "Shells that may run at the same time (default 64)",
      },
      "idle-timeout": {
        type: "string",
        valueHint: "TIME",
        description:
          "End a session in which nothing is typed or printed for so long, such as 30m (default: never). " +
          "With --ephemeral: leave when nobody has been here for so long",
      },
      "orphan-timeout": {
        type: "string",
        valueHint: "TIME",
        description: "End a session at which nobody has looked for so long, such as 24h (default: never)",
      },
      ...ephemeralArgs,
    },
    async run({ args }) {
      const isAsked = process.env[HANDOVER] === CHECK;
      const daemon = daemonChild(process.env);
      const logger = daemon?.logger(args) ?? agentLogger(args);
      if (isAsked && args.ephemeral)
        throw new UsageError("an agent of --ephemeral is not restarted in place");
      if (args.ephemeral) return ephemeral(args, logger, daemon);
      assertNotEphemeral(args);
      const before = actingUid();
      const named = { ...args, config: ofService(process.env) ?? args.config };
      const config = requireRegistered(loadAgentConfig(named, logger), limitsOf(args));
      if (actingUid() !== before) goOnAsOwner(config.path, logger);
      if (isJwt(config.token)) {
        logger.warn(
          `the token is a login token (JWT), which expires after 24 hours; make an API token (${tokenPlace(config.host)}) and run: rexec-agent refresh-token`,
        );
      }
      if (args.daemon && !daemon) {
        const { startDaemon } = await import("./_daemon.ts");
        return startDaemon({ config, args, waitMs: duration("--wait", args.wait ?? "15s") });
      }
      if (isAsked) return sayReady();
      const { signal: told, now } = stopSignals(logger);
      using manager = supervise(process.env, config.host);
      told.addEventListener("abort", () => manager.stopping(), { once: true });
      using updates = await updateWatch(config, logger);
      using inherited = Inherited.take(process.env, logger); // not before: the former program may have to take it
      const signal = updates ? AbortSignal.any([told, updates.signal]) : told;
      let isTrimmed = false;
      const onState = (state: UplinkState) => {
        if (state.phase === "connected" && !isTrimmed) setTimeout(releaseProgramPages, TRIM_AFTER_MS).unref();
        isTrimmed ||= state.phase === "connected";
        manager.state(state);
        updates?.state(state);
        daemon?.reporter?.state(state);
      };
      const run = runInfo(process.env, daemon?.log);
      try {
        const places = inherited ? ownPlaces(config.path, process.env) : await freePlaces(config.path);
        const onRestarter = (restarter: Restarter) => {
          process.on("SIGUSR2", () => void restartInPlace(restarter, "SIGUSR2").catch(() => {}));
          updates?.goBackBy(() => restartInPlace(restarter, "the update is taken back"));
        };
        const { env } = process;
        surviveFaults(logger);
        await runAgent({ config, logger, env, signal, now, places, onState, run, inherited, onRestarter });
      } catch (error) {
        updates?.failed(error);
        updates?.leave();
        const better = await betterError(error, config.path);
        daemon?.reporter?.failed(better);
        throw better;
      }
      updates?.leave();
    },
  }),
  {
    examples: [
      ["rexec-agent start", "Until Ctrl-C or SIGTERM; a second one stops it at once"],
      ["rexec-agent start --daemon", "Returns once it is connected, or says why it is not"],
      ["rexec-agent start --ephemeral --wait-for-viewer --idle-timeout 10m --timeout 1h", "In a CI job"],
      ["REXEC_LOG=debug rexec-agent start", "To see what it does"],
    ],
    notes: [
      "Reconnects for ever: within a second at first, then with growing pauses of up to 30 seconds. Only a server that " +
        "rejects the token (401), the account (403) or the agent's id (404) ends it, with exit code 4.",
      "With --ephemeral every end that was asked for has exit code 0: a time that is up, the last viewer, rexec-agent continue, " +
        "a signal. Variables that look like secrets are kept from its shells, and REXEC_TOKEN always is.",
      ENVIRONMENT_NOTE,
    ],
  },
);

// --- internal ---

/** The answer to an agent that asks whether this program could take its place. */
async function sayReady(): Promise<number> {
  const readiness: Readiness = { handover: [HANDOVER_VERSION], version: VERSION };
  await writeOut(`${JSON.stringify(readiness)}\n`);
  return 0;
}

/** The file that the administrator of a service names in its own files: install wrote the command line, not a person. */
function ofService(env: NodeJS.ProcessEnv): string | undefined {
  const { kind } = runInfo(env, undefined);
  return (kind === "systemd" || kind === "openrc" ? env.REXEC_CONFIG : "") || undefined;
}

/**
 * Begins anew, as the account that root has become: nothing of root's is left in the environment, in memory, or in the
 * rights to look at this process.
 */
function goOnAsOwner(config: string, logger: Logger): void {
  logger.info(`runs as ${currentAccount().name}, who owns ${config}`);
  const path = process.execPath;
  const words = Bun.isStandaloneExecutable ? [] : [Bun.main];
  const argv = [path, ...words, ...process.argv.slice(2)];
  try {
    replaceProcess({ path, argv, env: { ...process.env, REXEC_CONFIG: config }, keep: [] });
  } catch (error) {
    // A program in a folder that only root may enter: it goes on as it is.
    logger.debug(messageOf(error));
  }
}

/** @returns the exit code */
async function ephemeral(
  args: EphemeralArgs & LimitArgs & DaemonArgs,
  logger: Logger,
  daemon: DaemonChild | null,
): Promise<number> {
  const { timeout, "idle-timeout": idle, wait, ...others } = args;
  const times = {
    // As elsewhere, 0 is for never.
    timeoutMs: timeout === undefined ? undefined : duration("--timeout", timeout) || undefined,
    idleMs: idle === undefined ? undefined : duration("--idle-timeout", idle) || undefined,
  };
  const limits = limitsOf({ ...others, "idle-timeout": undefined });
  const { startEphemeral, startEphemeralDaemon } = await import("./_ephemeral.ts");
  if (args.daemon && !daemon) {
    if (!args["wait-for-viewer"]) return startEphemeralDaemon(args, duration("--wait", wait ?? "15s"));
    throw new UsageError("--wait-for-viewer holds the job up, and --daemon lets it go on", "leave one out");
  }
  const { signal, now } = stopSignals(logger, true);
  // Its default would end the agent without a word, and leave it in its server's list.
  process.on("SIGUSR2", () =>
    logger.warn("SIGUSR2: an ephemeral agent is not restarted: it would be another one"),
  );
  try {
    await startEphemeral({ args, times, limits, logger, daemon, signal, now });
  } catch (error) {
    daemon?.reporter?.failed(error);
    throw error;
  }
  return now.aborted ? Number(now.reason) : 0;
}

/** @throws RexecError `already_running` where an agent runs at another place of this account */
async function freePlaces(configPath: string): Promise<RuntimePlace[]> {
  const places = ownPlaces(configPath, process.env);
  const others = runtimePlaces(configPath, process.env).slice(1);
  const used = others.filter(({ pid }) => existsSync(pid));
  if (used.length > 0) await assertNoneRuns(used);
  return places;
}

/** Says more of the agent that runs already; what that takes is not loaded otherwise. */
async function betterError(error: unknown, configPath: string): Promise<unknown> {
  if (!(error instanceof RexecError) || error.code !== "already_running") return error;
  return assertNoneRuns(runtimePlaces(configPath, process.env)).then(
    () => error,
    (better: unknown) => better,
  );
}

async function assertNoneRuns(places: readonly RuntimePlace[]): Promise<void> {
  const { assertNoneRuns: assert } = await import("./_daemon.ts");
  await assert(places);
}

interface DaemonArgs {
  daemon?: boolean | undefined;
  wait?: string | undefined;
}

interface LimitArgs {
  "max-sessions"?: string | undefined;
  "idle-timeout"?: string | undefined;
  "orphan-timeout"?: string | undefined;
}

function limitsOf(args: LimitArgs): AgentLimits {
  const { "max-sessions": most, "idle-timeout": idle, "orphan-timeout": orphan } = args;
  return {
    ...(most === undefined ? {} : { maxSessions: sessionCount(most) }),
    ...(idle === undefined ? {} : { idleMs: duration("--idle-timeout", idle) }),
    ...(orphan === undefined ? {} : { orphanMs: duration("--orphan-timeout", orphan) }),
  };
}

function sessionCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 4096) throw new UsageError(`--max-sessions takes 1 to 4096, not ${text}`);
  return count;
}

function duration(option: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new UsageError(`${option} takes a time such as 30s, 5m or 24h, not ${text}`);
  return ms;
}

/**
 * `signal` aborts at the first SIGINT, SIGTERM or SIGHUP; at the second `now` does, with the exit code as its reason,
 * and the process ends; where it `hasDuties` at the third.
 */
function stopSignals(logger: Logger, hasDuties = false): { signal: AbortSignal; now: AbortSignal } {
  const graceful = new AbortController();
  const atOnce = new AbortController();
  const names = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
  const underNohup = ignoresHangup(process.pid);
  for (const [name, number] of Object.entries(names)) {
    if (name === "SIGHUP" && underNohup) continue;
    process.on(name, () => {
      if (!graceful.signal.aborted) {
        logger.info(`${name}: stopping; once more to stop at once`);
        graceful.abort();
        return;
      }
      const isLast = !hasDuties || atOnce.signal.aborted;
      logger.warn(`${name} again: stopping at once`);
      atOnce.abort(128 + number);
      if (isLast) process.exit(128 + number);
    });
  }
  return { signal: graceful.signal, now: atOnce.signal };
}
