/** `start --ephemeral`: an agent that registers, serves, leaves, and is gone. It writes no configuration. */
import { rmSync } from "node:fs";
import { RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { resolveEndpoint } from "../../lib/net.ts";
import { type AgentOptions, runAgent } from "../agent.ts";
import { type AgentConfig, type AgentLimits, configOf, type LoadedConfig } from "../config/config.ts";
import type { RuntimePlace } from "../control/place.ts";
import { currentAccount } from "../machine/child-env.ts";
import { chooseShell } from "../machine/shell.ts";
import type { Job } from "./job.ts";
import type { LeaveReason, LeaveRules } from "./leave-policy.ts";
import { CONTROL_VARIABLE } from "./place.ts";
import { type Registration, register, unregister } from "./registration.ts";
import { Watch } from "./watch.ts";

/** What an ephemeral agent is run with. */
export interface EphemeralOptions {
  /** `token` is the account's. */
  loaded: LoadedConfig & { token: string };
  limits: AgentLimits;
  rules: LeaveRules;
  job: Job;
  /** A person gave the name. */
  isNamed: boolean;
  /** Where shells start. */
  workingDir: string;
  env: AgentOptions["env"];
  /** What of it shells get. */
  shellEnv: Readonly<Record<string, string>>;
  place: RuntimePlace;
  log?: string | undefined;
  /** What a person types to end it. */
  continueCommand: string;
  logger: Logger;
  /** Ends it gracefully. */
  signal: AbortSignal;
  /** Ends it without waiting for anything but the server's word that it is unregistered. */
  now: AbortSignal;
  onState: NonNullable<AgentOptions["onState"]>;
  /** It can be reached: told once. */
  onConnected(agent: Registration): void;
  /** A viewer is at a shell: told once. */
  onCame(): void;
}

/** How long the server may take to forget us, ms. Runners kill what is not gone after some 10 s. */
const UNREGISTER_MS = 4_000;
/** From `continue` to the end of the shell that it was typed in, ms. */
const ANSWER_MS = 300;
const UNREGISTER_NOW_MS = 1_500;

/**
 * Returns after it has unregistered.
 * @returns why it left; null where the signal told it to
 * @throws RexecError as `register` and `runAgent`
 */
export async function runEphemeral(options: EphemeralOptions): Promise<LeaveReason | null> {
  const { loaded, logger, place, signal, now } = options;
  const { host, insecure, caFile, token } = loaded;
  const endpoint = resolveEndpoint({ url: host, insecure, caFile, env: options.env });
  const shell = chooseShell(loaded.file?.settings.shell, options.env.SHELL, currentAccount());
  const agent = await register({ endpoint, token, job: options.job, isNamed: options.isNamed, shell });
  logger.info(
    `registered "${agent.name}" (${agent.agentId}) at ${endpoint.base.origin}, for as long as this runs`,
  );
  let why: LeaveReason | null = null;
  try {
    const leaving = new AbortController();
    using watch = new Watch({
      rules: options.rules,
      onCame: options.onCame,
      onLeave(reason) {
        why = reason;
        leaving.abort();
      },
    });
    let told = false;
    const running = runAgent({
      config: agentConfig(options, agent, shell),
      logger,
      env: options.env,
      signal: AbortSignal.any([signal, leaving.signal]),
      now,
      places: [place],
      run: { kind: "ephemeral", log: options.log },
      handlers: {
        restart() {
          throw new RexecError("an ephemeral agent is not restarted: it would be another one", {
            code: "ephemeral",
          });
        },
        continue(_, { afterwards }) {
          // The caller sees the answer first.
          afterwards(() => setTimeout(() => watch.leave("continue"), ANSWER_MS));
          return { name: agent.name };
        },
      },
      shells: {
        env: options.shellEnv,
        extra: { [CONTROL_VARIABLE]: place.socket },
        isLogin: false,
        greeting: () => `[rexec] ${options.continueCommand} ends this${watch.limit}`,
      },
      attendant: watch,
      onState(state) {
        watch.state(state);
        options.onState(state);
        if (state.phase !== "connected" || told) return;
        told = true;
        options.onConnected(agent);
      },
    });
    await Promise.race([running, aborted(now)]);
    return why;
  } finally {
    // What `runAgent` would have taken away, had it been given the time.
    if (now.aborted) for (const path of [place.socket, place.pid]) rmSync(path, { force: true });
    const left = await unregister(
      { endpoint, token },
      agent,
      now.aborted ? UNREGISTER_NOW_MS : UNREGISTER_MS,
      logger,
    );
    if (left === null) logger.info(`unregistered "${agent.name}"`);
    else
      logger.warn(
        `could not unregister "${agent.name}" (${agent.agentId}), which stays in your list: ${left}`,
      );
  }
}

// --- internal ---

function agentConfig(options: EphemeralOptions, agent: Registration, shell: string): AgentConfig {
  const { loaded, limits, workingDir } = options;
  const { token, name, agentId } = agent;
  return { ...configOf(loaded, { token, agentId, name }, limits), shell, workingDir };
}

/** Resolves when the signal aborts. */
function aborted(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal.aborted) resolve();
  signal.addEventListener("abort", () => resolve(), { once: true });
  return promise;
}
