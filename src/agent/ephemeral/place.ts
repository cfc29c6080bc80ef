/** Where an ephemeral agent has its control socket: it has no configuration file that could name it. */
import { mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { type RuntimePlace, runtimePlaces } from "../control/place.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** In the environment of its shells: the path of its control socket. */
export const CONTROL_VARIABLE = "REXEC_CONTROL";

/**
 * The place of a new one, in the first folder that can be made: nothing is written to a home or to /etc. A folder of
 * another account's in /tmp is found out by `appear`, which then goes without.
 */
export function ephemeralPlace(id: string, env: Environment, uid = process.getuid?.() ?? 0): RuntimePlace {
  const candidates = folders(env, uid);
  const folder = candidates.find(canMake) ?? candidates.at(-1) ?? tmpdir();
  sweep(folder, uid);
  return placeOf(folder, `${PREFIX}${id}`);
}

/** Of those that may run: the one whose shell this is alone, else all of this account. */
export function ephemeralPlaces(env: Environment, uid = process.getuid?.() ?? 0): RuntimePlace[] {
  const { [CONTROL_VARIABLE]: own } = env;
  if (own) return [placeOf(dirname(own), basename(own, ".sock"))];
  return folders(env, uid).flatMap((folder) =>
    namesIn(folder, uid).map((name) => placeOf(folder, basename(name, ".sock"))),
  );
}

/**
 * Where the agent may run that a person means. Who names no configuration means, in a shell of an ephemeral agent, that
 * one; elsewhere the registered one of this account, and failing that an ephemeral one.
 */
export function knownPlaces(
  configPath: string,
  env: Environment,
  named: string | undefined,
): [RuntimePlace, ...RuntimePlace[]] {
  const [first, ...others] = runtimePlaces(configPath, env);
  if (named || env.REXEC_CONFIG) return [first, ...others];
  const own = env[CONTROL_VARIABLE];
  if (own) return [placeOf(dirname(own), basename(own, ".sock")), first, ...others];
  return [first, ...others, ...ephemeralPlaces(env)];
}

// --- internal ---

const PREFIX = "ephemeral-";

/** Files of agents that are gone are removed after so long, ms. */
const STALE_MS = 24 * 3_600_000;
/** A socket's address has 107 bytes at most (unix(7)); so many are for the folder. */
const LONGEST_FOLDER = 80;

/** GitHub's runners empty RUNNER_TEMP around each job. */
function folders(env: Environment, uid: number): string[] {
  const { XDG_RUNTIME_DIR: runtime, RUNNER_TEMP: runner } = env;
  const own = runtime ? [join(runtime, "rexec")] : [];
  return [
    ...(runner ? [join(runner, "rexec")] : []),
    ...(uid === 0 ? ["/run/rexec"] : own),
    join(tmpdir(), `rexec-${uid}`),
  ].filter((folder) => Buffer.byteLength(folder) <= LONGEST_FOLDER);
}

function placeOf(folder: string, name: string): RuntimePlace {
  return { folder, socket: join(folder, `${name}.sock`), pid: join(folder, `${name}.pid`) };
}

function canMake(folder: string): boolean {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return true;
  } catch {
    return false;
  }
}

function namesIn(folder: string, uid: number): string[] {
  return ownFiles(folder, uid).filter((name) => name.endsWith(".sock"));
}

function ownFiles(folder: string, uid: number): string[] {
  try {
    if (statSync(folder).uid !== uid) return [];
    return readdirSync(folder).filter((name) => name.startsWith(PREFIX));
  } catch {
    return []; // there is none
  }
}

/** Logs, and what agents that were killed have left. */
function sweep(folder: string, uid: number): void {
  for (const name of ownFiles(folder, uid)) {
    const path = join(folder, name);
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats && Date.now() - stats.mtimeMs > STALE_MS) rmSync(path, { force: true });
  }
}
