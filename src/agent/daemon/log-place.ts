/** Where an agent in the background writes its log. */
import { mkdirSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { homeFolder } from "../../lib/home.ts";
import type { RuntimePlace } from "../control/place.ts";
import { APPENDING, assertOwnFolder, openOwn } from "../trust/own-file.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A log that was opened for appending. */
export interface OpenedLog {
  fd: number;
  path: string;
  /** Why it is not where it usually is. */
  warning: string | null;
}

/** The usual place first, then beside the pid file, for homes that cannot be written. */
export function logPlaces(place: RuntimePlace, env: Environment, uid = process.getuid?.() ?? 0): string[] {
  const name = basename(place.pid).replace(/\.pid$/, ".log");
  const usual = uid === 0 ? "/var/log/rexec" : join(homeFolder(env), ".rexec");
  return [join(usual, name), join(place.folder, name)];
}

/** @throws RexecError `log_unwritable` where none of the places can be written */
export function openLog(places: readonly string[]): OpenedLog {
  const problems: string[] = [];
  for (const path of places) {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      assertOwnFolder(dirname(path), 0o002);
      const fd = openOwn(path, APPENDING);
      return { fd, path, warning: problems[0] ?? null };
    } catch (error) {
      problems.push(`cannot write the log ${path}: ${messageOf(error)}`);
    }
  }
  throw new RexecError(problems.join("; "), {
    code: "log_unwritable",
    hint: "set XDG_RUNTIME_DIR to a folder of your own that can be written, or run it in the foreground: rexec-agent start",
  });
}
