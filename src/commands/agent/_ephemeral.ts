/** `start --ephemeral`: what it is made of, and what it says. */
import { hostname } from "node:os";
import { basename, dirname, resolve } from "node:path";
import { type AgentLimits, loadConfig } from "../../agent/config/config.ts";
import type { DaemonChild } from "../../agent/daemon/child.ts";
import { type Launched, launch } from "../../agent/daemon/launch.ts";
import { openLog } from "../../agent/daemon/log-place.ts";
import { describeJob, type Job } from "../../agent/ephemeral/job.ts";
import type { LeaveReason, LeaveRules } from "../../agent/ephemeral/leave-policy.ts";
import { ephemeralPlace } from "../../agent/ephemeral/place.ts";
import type { Registration } from "../../agent/ephemeral/registration.ts";
import { runEphemeral } from "../../agent/ephemeral/run.ts";
import { siftEnvironment } from "../../agent/ephemeral/secret-environment.ts";
import { ExitCode, messageOf, RexecError } from "../../lib/errors.ts";
import { hasDashboard } from "../../lib/hints.ts";
import type { Logger } from "../../lib/log.ts";
import { printable } from "../../lib/printable.ts";
import { quoteWord } from "../../lib/quote.ts";
import { isJoinToken } from "../../protocol/token.ts";
import { blankVariables } from "../../pty/libc.ts";
import { announce, programName, say, writeOut } from "../_cli.ts";
import { surviveFaults } from "../_faults.ts";
import { failure, ownCommand, tellPending, wordsOf } from "./_daemon.ts";
import { defaultName, nameOf, tagsOf } from "./_description.ts";
import type { EphemeralArgs } from "./_ephemeral-args.ts";
import { actAsOwner } from "./_options.ts";

/** An ephemeral agent, as the command line asks for it. */
export interface EphemeralRequest {
  args: EphemeralArgs;
  times: { timeoutMs?: number | undefined; idleMs?: number | undefined };
  limits: AgentLimits;
  logger: Logger;
  daemon: DaemonChild | null;
  signal: AbortSignal;
  now: AbortSignal;
}

/** @throws RexecError `token_missing`, and as `runEphemeral` */
export async function startEphemeral(request: EphemeralRequest): Promise<void> {
  const { args, times, limits, logger, daemon } = request;
  surviveFaults(logger);
  const named = args.config || process.env.REXEC_CONFIG;
  if (named) actAsOwner(resolve(named));
  const env = { ...process.env };
  const loaded = loadConfig({ ...args, env, onlyNamed: true });
  const token = tokenOf(loaded.joinToken ?? loaded.token);
  if (args.token)
    logger.warn("--token can be read by everybody on this machine (ps): set REXEC_TOKEN instead");
  const sifted = siftEnvironment(env, args["keep-env"] === true, words(args["pass-env"]));
  if (sifted.withheld.length > 0) {
    logger.info(
      `${sifted.withheld.length} variable(s) that look like secrets are kept from shells (--keep-env hands them over): ${sifted.withheld.join(", ")}`,
    );
  }
  blank(["REXEC_TOKEN", ...sifted.withheld], logger);
  const rules: LeaveRules = { ...times, untilLeft: args["wait-for-viewer"] === true };
  const why = await runEphemeral({
    ...request,
    loaded: { ...loaded, token },
    limits,
    rules,
    job: jobOf(args, token),
    isNamed: args.name !== undefined,
    workingDir: loaded.file?.settings.working_dir ?? env[FOLDER_VARIABLE] ?? process.cwd(),
    env,
    shellEnv: withUs(sifted.env),
    continueCommand: continueCommand(),
    place: ephemeralPlace(env[ID_VARIABLE] ?? newId(), env),
    log: daemon?.log,
    onState(state) {
      if (state.phase !== "connected") daemon?.reporter?.state(state);
    },
    onConnected(agent) {
      const text = invitation(agent, loaded.host);
      if (daemon?.reporter) daemon.reporter.connected(text);
      else announce(text);
      logger.info(`${plan(rules)}; ${continueCommand()} ends it`);
    },
    onCame: () => logger.info("somebody is at a shell"),
  });
  if (why) logger.info(REASONS[why]);
}

/** `start --ephemeral --daemon`: returns once it is connected, and prints how to get there. */
export async function startEphemeralDaemon(args: EphemeralArgs, waitMs: number): Promise<number> {
  const { env } = process;
  const { token, config, ...others } = args;
  const id = newId();
  const place = ephemeralPlace(id, env);
  const named = config || env.REXEC_CONFIG;
  const launched = await launch({
    command: [...ownCommand(), "start", ...wordsOf(others)],
    // The child is in another folder, and its words can be read by everybody.
    env: {
      ...env,
      ...(token ? { REXEC_TOKEN: token } : {}),
      ...(named ? { REXEC_CONFIG: resolve(named) } : {}),
      ...(env.REXEC_CA_FILE ? { REXEC_CA_FILE: resolve(env.REXEC_CA_FILE) } : {}),
      [FOLDER_VARIABLE]: process.cwd(),
      [ID_VARIABLE]: id,
    },
    log: openLog([place.pid.replace(/\.pid$/, ".log")]),
    waitMs,
    onWaiting: (reason) => say(`not connected yet: ${reason}`),
  });
  return report(launched, place.pid.replace(/\.pid$/, ".log"));
}

// --- internal ---

/** From the parent to the child: where its shells start, and the name of its place. */
const FOLDER_VARIABLE = "REXEC_EPHEMERAL_FOLDER";
const ID_VARIABLE = "REXEC_EPHEMERAL_ID";

function newId(): string {
  return crypto.randomUUID().slice(0, 8);
}

async function report(launched: Launched, log: string): Promise<number> {
  if (launched.logProblem) say(`warning: ${launched.logProblem}`);
  if (launched.outcome === "pending") return tellPending(launched, log);
  if (launched.outcome !== "connected") throw failure(launched, log);
  await writeOut(launched.text ?? "");
  say(`it runs in the background (pid ${launched.pid}), log: ${log}`);
  return 0;
}

const REASONS: Record<LeaveReason, string> = {
  timeout: "left: the time of --timeout is up",
  idle: "left: nobody has been here for as long as --idle-timeout says",
  left: "left: everybody has gone",
  continue: "left: told so by rexec-agent continue",
};

function tokenOf(token: string | null): string {
  if (token && /^[\x21-\x7e]+$/.test(token)) return token;
  throw new RexecError(
    token ? "that is no API token: it has a space or a strange character in it" : "no token",
    {
      code: token ? "bad_token" : "token_missing",
      hint: "set REXEC_TOKEN, from a secret of the CI system: a join token (rexec join create --ephemeral)",
      exitCode: ExitCode.notSetUp,
    },
  );
}

/** A join token gives the tags, so that the machine asks for none by itself. */
function jobOf(args: EphemeralArgs, token: string): Job {
  const job = describeJob(process.env, defaultName(hostname()));
  const tags = [...new Set([...(isJoinToken(token) ? [] : job.tags), ...(tagsOf(args.tags) ?? [])])];
  return { ...job, tags, name: nameOf(args.name) ?? job.name };
}

function words(list: string | undefined): string[] {
  return (list ?? "")
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean);
}

/** How to get here. */
function invitation({ reference }: Registration, host: string): string {
  const server = printable(host.replace(/\/+$/, ""));
  return `
Connect to this machine:

  rexec connect ${printable(quoteWord(reference))}

${hasDashboard(host) ? "or in a browser" : "logged in at its server"}: ${server}
`;
}

/** How long it is going to policy. */
function plan({ timeoutMs, idleMs, untilLeft }: LeaveRules): string {
  const most = timeoutMs === undefined ? "" : `, at most ${time(timeoutMs)} in all`;
  const idle = idleMs === undefined ? "" : `, or leaves once nobody has been here for ${time(idleMs)}`;
  const waits = untilLeft ? "waits for somebody to come, until they leave" : "stays until it is stopped";
  return `${waits}${idle}${most}`;
}

/**
 * A shell's parent is this process: `cat /proc/$PPID/environ` would show what is held back all the same. But for proxies,
 * which the runtime may look up at any time.
 */
function blank(names: readonly string[], logger: Logger): void {
  try {
    blankVariables(names.filter((name) => !/_proxy$/i.test(name)));
  } catch (error) {
    logger.warn(`what is kept from shells can be read in /proc/${process.pid}/environ: ${messageOf(error)}`);
  }
}

/** Our own program can be called by its name. */
function withUs(env: Record<string, string>): Record<string, string> {
  const { PATH } = env;
  if (isInPath() || basename(process.execPath) !== programName()) return env;
  return { ...env, PATH: [...(PATH ? [PATH] : []), dirname(process.execPath)].join(":") };
}

function isInPath(): boolean {
  return Bun.which(programName(), { PATH: process.env.PATH ?? "" }) !== null;
}

function continueCommand(): string {
  const name = programName();
  const known = isInPath() || basename(process.execPath) === name;
  return `${known ? name : quoteWord(process.execPath)} ${name === "rexec" ? "agent " : ""}continue`;
}

function time(ms: number): string {
  if (ms % 60_000 === 0) return `${ms / 60_000} min`;
  return `${ms / 1000} s`;
}
