/** Where a running agent can be found: a folder for its control socket and its pid file. Never /tmp. */
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { accountOf } from "../../lib/account.ts";
import { homeFolder } from "../../lib/home.ts";
import { SYSTEM_CONFIG, userConfig } from "../config/file.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where one agent's files are while it runs. Absolute paths. */
export interface RuntimePlace {
  /** Mode 0700, and the agent's own. */
  readonly folder: string;
  readonly socket: string;
  readonly pid: string;
}

/** The folder of root's agents. */
const SYSTEM_FOLDER = "/run/rexec";

/**
 * Where the agent of this configuration file may put its socket and its pid file, the best first. The names carry the
 * file's identity, so that several agents of one account do not meet; those of the default file are plain.
 */
export function ownPlaces(
  configPath: string,
  env: Environment,
  uid = process.getuid?.() ?? 0,
): [RuntimePlace, ...RuntimePlace[]] {
  const own = placeIn(join(homeFolder(env), ".rexec", "run"), configPath, uid, env);
  if (uid === 0) return [placeIn(SYSTEM_FOLDER, configPath, uid, env)];
  const { XDG_RUNTIME_DIR: given } = env;
  return given ? [placeIn(join(given, "rexec"), configPath, uid, env), own] : [own];
}

/**
 * All places where an agent of this file may be found: a shell may have no XDG_RUNTIME_DIR (`su`), or another one than
 * the agent had. Root acts as the file's owner when it asks for another account's. The first is where it would start now.
 */
export function runtimePlaces(
  configPath: string,
  env: Environment,
  uid = process.getuid?.() ?? 0,
): [RuntimePlace, ...RuntimePlace[]] {
  const [first, ...others] = ownPlaces(configPath, env, uid);
  if (uid !== 0) others.push(userPlace(configPath, env, uid));
  return [first, ...others.filter(({ pid }) => pid !== first.pid)];
}

/** The home of a configuration's owner: around its folder `.rexec`, else the account's. */
export function homeOf(configPath: string, owner: number): string {
  const folder = dirname(configPath);
  return basename(folder) === ".rexec" ? dirname(folder) : accountOf(owner).home;
}

// --- internal ---

/** Where pam_systemd makes one. */
function userPlace(configPath: string, env: Environment, uid: number): RuntimePlace {
  return placeIn(join("/run/user", String(uid), "rexec"), configPath, uid, env);
}

function placeIn(folder: string, configPath: string, uid: number, env: Environment): RuntimePlace {
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
