/** Finds out what the service is to be: which executable, which configuration, as whom; and refuses what would not last. */
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { accountOf } from "../../lib/account.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import { quoteWords } from "../../lib/quote.ts";
import { executableProblem } from "../../lib/service/lasting.ts";
import { type AgentConfig, loadConfig, requireRegistered } from "../config/config.ts";
import { configDigest } from "../config/digest.ts";
import { findConfig, SYSTEM_CONFIG, userConfig } from "../config/file.ts";
import { meantConfig } from "../config/meant.ts";
import { actingAsNow } from "../trust/identity.ts";
import { ownerOf } from "../trust/owner.ts";
import { detectInit } from "./detect.ts";
import { serviceEnvironment } from "./environment.ts";
import { SERVICE, type ServiceSpec } from "./spec.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the command line said of the service. */
export interface ServiceRequest {
  /** Absolute path of the executable, and the words of it in front of a command (`agent` for the CLI). */
  executable: string;
  words: readonly string[];
  /** What `--config` said. */
  config: string | undefined;
  scope: "system" | "user";
  env: Environment;
  uid: number;
}

/**
 * @throws RexecError `config_missing`, `not_registered`, `token_missing` (exit code 3), `bad_executable`,
 * `bad_config_path`
 */
export function resolveService(request: ServiceRequest): ServiceSpec {
  const { executable, words, scope } = request;
  const isSystem = scope === "system";
  const config = findServiceConfig(request);
  // What its owner may write decides what the agent runs, so it runs as the owner and no more powerful account.
  const owner = request.uid === 0 ? ownerOf(config) : request.uid;
  const envFile = envFileOf(scope, request.env);
  const own = serviceEnvironment(envFile, dropInsOf(scope, request.env));
  const settings = actingAsNow(owner, () => readRegistered(config, own, request.env));
  const path = realpathSync(config);
  assertPlain(path);
  assertPlain(executable);
  const user = isSystem && owner !== 0 ? accountOf(owner).name : null;
  assertLasting(executable, isSystem && user === null);
  return {
    executable,
    words,
    config: path,
    configDigest: configDigest(settings),
    host: settings.host,
    envFile,
    scope,
    user,
  };
}

/** The file that the service will read. */
export function findServiceConfig({ config, env, uid }: ServiceRequest): string {
  return meantConfig(config, env, uid) ?? SYSTEM_CONFIG;
}

/** Beside the system's configuration, or one's own. */
export function envFileOf(scope: ServiceSpec["scope"], env: Environment): string {
  return join(dirname(scope === "system" ? SYSTEM_CONFIG : userConfig(env)), "agent.env");
}

/** The command that does this as root, for callers that are not. Keeps the configuration that is meant now. */
export function asRoot(
  { executable, words, config, env }: ServiceRequest,
  name: string,
  init?: string,
): string {
  const meant = findConfig(config, env);
  const option = meant === null || meant === SYSTEM_CONFIG ? [] : ["--config", meant];
  return quoteWords(["sudo", executable, ...words, name, ...option, ...(init ? ["--init", init] : [])]);
}

// --- internal ---

/** Where systemd looks for the administrator's additions to the unit; null where it does not run. */
function dropInsOf(scope: ServiceSpec["scope"], env: Environment): string | null {
  if (detectInit() !== "systemd") return null;
  const folder =
    scope === "system"
      ? "/etc/systemd/system"
      : join(env.XDG_CONFIG_HOME || join(env.HOME || "/", ".config"), "systemd/user");
  return join(folder, `${SERVICE}.service.d`);
}

/** A service has no other environment than that of its files. @param env of the account that installs it */
function readRegistered(config: string, own: Environment, env: Environment): AgentConfig {
  const loaded = loadConfig({ config, env: own });
  try {
    return requireRegistered(loaded);
  } catch (error) {
    if (!(error instanceof RexecError) || error.code !== "token_missing") throw error;
    const why = env.REXEC_TOKEN ? "; REXEC_TOKEN is not handed to a service" : "";
    throw new RexecError(`${config} holds no token, and neither does a file of the service${why}`, {
      code: "token_missing",
      hint: "put it there: rexec-agent refresh-token (it asks; or set REXEC_TOKEN); or REXEC_TOKEN=… into a drop-in (systemctl edit rexec-agent)",
      exitCode: ExitCode.notSetUp,
    });
  }
}

/** @throws RexecError `bad_executable` where the file would not be there, or not be the same, at the next start */
function assertLasting(executable: string, mustBeRoots: boolean): void {
  const problem = executableProblem(executable, mustBeRoots);
  if (problem === null) return;
  const copy = "/usr/local/bin/rexec-agent";
  const exists = existsSync(executable);
  throw new RexecError(`a service cannot run ${executable}: ${problem}`, {
    code: "bad_executable",
    hint: exists
      ? `copy it first: ${quoteWords(["sudo", "install", "-m", "755", executable, copy])} && sudo ${copy} install`
      : "run the executable that is in its place now",
  });
}

function assertPlain(path: string): void {
  if (!/[\p{Cc}]/u.test(path)) return;
  throw new RexecError(
    `a path with control characters cannot be written into a service: ${JSON.stringify(path)}`,
    {
      code: "bad_config_path",
    },
  );
}
