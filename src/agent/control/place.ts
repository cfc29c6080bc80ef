/** Where a running agent can be found: a folder for its control socket and its pid file. Never /tmp. */
import { realpathSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { SYSTEM_CONFIG, userConfig } from "../config-file.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface RuntimePlace {
  /** Mode 0700, and the agent's own. */
  readonly folder: string;
  readonly socket: string;
  readonly pid: string;
}

/** The folder of root's agents. */
const SYSTEM_FOLDER = "/run/rexec";

/**
 * Where the agent of this configuration file puts its socket and its pid file. The names carry the file's identity,
 * so that several agents of one account do not meet; those of the default file are plain.
 */
export function runtimePlace(
  configPath: string,
  env: Environment,
  uid = process.getuid?.() ?? 0,
): RuntimePlace {
  return placeIn(folders(env, uid)[0] ?? SYSTEM_FOLDER, configPath, env, uid);
}

/**
 * All places where an agent of this file may have been started: a shell may have no XDG_RUNTIME_DIR (`su`), or
 * another one than the agent had. The first is where it would be started now.
 */
export function runtimePlaces(
  configPath: string,
  env: Environment,
  uid = process.getuid?.() ?? 0,
): [RuntimePlace, ...RuntimePlace[]] {
  const [first, ...others] = folders(env, uid).map((folder) => placeIn(folder, configPath, env, uid));
  return [first ?? placeIn(SYSTEM_FOLDER, configPath, env, uid), ...others];
}

// --- internal ---

function folders(env: Environment, uid: number): string[] {
  if (uid === 0) return [SYSTEM_FOLDER];
  const { XDG_RUNTIME_DIR: given } = env;
  const own = join(env.HOME || homedir(), ".rexec", "run");
  return [
    ...new Set([...(given ? [join(given, "rexec")] : []), own, join("/run/user", String(uid), "rexec")]),
  ];
}

function placeIn(folder: string, configPath: string, env: Environment, uid: number): RuntimePlace {
  const name = nameOf(configPath, uid === 0 ? SYSTEM_CONFIG : userConfig(env));
  return { folder, socket: join(folder, `${name}.sock`), pid: join(folder, `${name}.pid`) };
}

function nameOf(configPath: string, usual: string): string {
  const path = real(configPath);
  if (path === real(usual)) return "agent";
  return `agent-${new Bun.CryptoHasher("sha256").update(path).digest("hex").slice(0, 8)}`;
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}
