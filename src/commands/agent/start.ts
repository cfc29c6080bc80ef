import { runAgent } from "../../agent/agent.ts";
import { type AgentLimits, requireRegistered } from "../../agent/config.ts";
import { runtimePlace } from "../../agent/control/place.ts";
import { supervise } from "../../agent/service/supervised.ts";
import type { UplinkState } from "../../agent/uplink-state.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { TOKEN_PLACE } from "../../lib/hints.ts";
import type { Logger } from "../../lib/log.ts";
import { isJwt } from "../../protocol/token.ts";
import { ignoresHangup } from "../../pty/procfs.ts";
import { defineCommand, withHelp } from "../_cli.ts";
import { agentArgs, agentLogger, ENVIRONMENT_NOTE, loadAgentConfig } from "./_options.ts";

export const startCommand = withHelp(
  defineCommand({
    meta: { name: "start", description: "Connect this machine and serve its shells, in the foreground" },
    args: {
      ...agentArgs,
      "max-sessions": {
        type: "string",
        valueHint: "N",
        description: "Shells that may run at the same time (default 64)",
      },
      "idle-timeout": {
        type: "string",
        valueHint: "TIME",
        description:
          "End a session in which nothing is typed or printed for so long, such as 30m (default: never)",
      },
      "orphan-timeout": {
        type: "string",
        valueHint: "TIME",
        description: "End a session at which nobody has looked for so long, such as 24h (default: never)",
      },
    },
    async run({ args }) {
      const logger = agentLogger(args);
      const config = requireRegistered(loadAgentConfig(args, logger), limitsOf(args));
      if (isJwt(config.token)) {
        logger.warn(
          `the token is a login token (JWT), which expires after 24 hours; make an API token (${TOKEN_PLACE}) and run: rexec-agent register --token TOKEN`,
        );
      }
      const { signal, now } = stopSignals(logger);
      using manager = supervise(process.env, config.host);
      signal.addEventListener("abort", () => manager.stopping(), { once: true });
      const onState = (state: UplinkState) => manager.state(state);
      const place = runtimePlace(config.path, process.env);
      await runAgent({ config, logger, env: process.env, signal, now, place, onState });
    },
  }),
  {
    examples: [
      ["rexec-agent start", "Until Ctrl-C or SIGTERM; a second one stops it at once"],
      ["REXEC_LOG=debug rexec-agent start", "To see what it does"],
    ],
    notes: [
      "Reconnects for ever: within a second at first, then with growing pauses of up to 30 seconds. Only a server that " +
        "rejects the token (401), the account (403) or the agent's id (404) ends it, with exit code 4.",
      ENVIRONMENT_NOTE,
    ],
  },
);

// --- internal ---

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

/** `signal` aborts at the first SIGINT, SIGTERM or SIGHUP; at the second `now` does, and the process ends. */
function stopSignals(logger: Logger): { signal: AbortSignal; now: AbortSignal } {
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
      logger.warn(`${name} again: stopping at once`);
      atOnce.abort();
      process.exit(128 + number);
    });
  }
  return { signal: graceful.signal, now: atOnce.signal };
}
