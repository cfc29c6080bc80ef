/** Where a running agent can be found: a folder for its control socket and its pid file. Never /tmp. */
import { realpathSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { accountOf } from "../../lib/account.ts";
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
  const given = env.XDG_RUNTIME_DIR;
  const folder = uid === 0 ? SYSTEM_FOLDER : given ? join(given, "rexec") : ownFolder(env);
  return placeIn(folder, configPath, uid, env);
}

/**
 * All places where an agent of this file may have been started: a shell may have no XDG_RUNTIME_DIR (`su`), or
 * another one than the agent had; root asks after the agents of others too. The first is where it would start now.
 */
export function runtimePlaces(
  configPath: string,
  env: Environment,
  uid = process.getuid?.() ?? 0,
): [RuntimePlace, ...RuntimePlace[]] {
  const first = runtimePlace(configPath, env, uid);
  const places = [first, ...usualPlaces(configPath, env, uid)];
  const owner = statSync(configPath, { throwIfNoEntry: false })?.uid ?? uid;
  if (uid === 0 && owner !== 0) {
    places.push(...usualPlaces(configPath, { HOME: accountOf(owner).home }, owner));
  }
  const isNew = ({ pid }: RuntimePlace, index: number) =>
    places.findIndex((other) => other.pid === pid) === index;
  return [first, ...places.slice(1).filter((place, index) => isNew(place, index + 1))];
}

// --- internal ---

function usualPlaces(configPath: string, env: Environment, uid: number): RuntimePlace[] {
  const folders = uid === 0 ? [] : [join("/run/user", String(uid), "rexec"), ownFolder(env)];
  return folders.map((folder) => placeIn(folder, configPath, uid, env));
}

function ownFolder(env: Environment): string {
  return join(env.HOME || homedir(), ".rexec", "run");
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
