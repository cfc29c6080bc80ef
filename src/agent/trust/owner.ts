/** Which account decides what a path leads to: the owner of the file, or of a folder or a link on the way to it. */
import { lstatSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { accountOf } from "../../lib/account.ts";
import { errnoOf, RexecError } from "../../lib/errors.ts";

const ROOT = 0;
/** As many as the kernel follows (path_resolution(7)). */
const MOST_LINKS = 40;

/**
 * @param path of a file, which need not exist
 * @returns 0 where only root decides, else the one other account that does too
 * @throws RexecError `untrusted_path` where several do, or any
 */
export function ownerOf(path: string): number {
  const owners = new Map<number, string>();
  walk(resolve(path), 0, (at, stats) => {
    const uid = isMapped(stats.uid) ? stats.uid : ROOT;
    if (uid !== ROOT && !owners.has(uid)) owners.set(uid, at);
    if (isWorldWritable(stats)) throw worldWritable(at);
  });
  const [first, second] = [...owners];
  if (first && second) throw severals(path, first, second);
  return first?.[0] ?? ROOT;
}

// --- internal ---

type Visit = (path: string, stats: Stats) => void;

/** Visits each folder and link from `/` on, then the file. @returns where it ends, with no link in it */
function walk(path: string, links: number, visit: Visit): string {
  if (links > MOST_LINKS) {
    throw new RexecError(`${path} is a link to a link to a link, without an end`, { code: "untrusted_path" });
  }
  if (path === "/") return "/";
  const folder = walk(dirname(path), links, visit);
  const at = join(folder, path.slice(path.lastIndexOf("/") + 1));
  const stats = lstatQuietly(at);
  if (!stats) return at;
  visit(at, stats);
  if (!stats.isSymbolicLink()) return at;
  const target = readlinkSync(at);
  return walk(isAbsolute(target) ? resolve(target) : resolve(folder, target), links + 1, visit);
}

/** In a folder like /tmp every account may add files, and remove its own only. */
function isWorldWritable(stats: Stats): boolean {
  if (stats.isSymbolicLink() || (stats.mode & 0o002) === 0) return false;
  return !(stats.isDirectory() && (stats.mode & 0o1000) !== 0);
}

/** Within a user namespace, what belongs to accounts outside of it: these are as powerful as root here. */
function isMapped(uid: number): boolean {
  try {
    const lines = readFileSync("/proc/self/uid_map", "utf8").trim().split("\n");
    return lines.some((line) => {
      const [start = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
      return uid >= start && uid < start + count;
    });
  } catch {
    return true;
  }
}

function lstatQuietly(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR" || errnoOf(error) === "EACCES") return null;
    throw error;
  }
}

function worldWritable(at: string): RexecError {
  return new RexecError(`anybody may write to ${at}: root does nothing that it says`, {
    code: "untrusted_path",
    hint: `look at what it says, then: chmod o-w ${at}`,
  });
}

function severals(path: string, [one, here]: [number, string], [other, there]: [number, string]): RexecError {
  const names = `${accountOf(one).name} owns ${here}, and ${accountOf(other).name} owns ${there}`;
  return new RexecError(`${path} is in the hands of two accounts: ${names}`, {
    code: "untrusted_path",
    hint: "root acts as the owner of a configuration: let it be one, and its folders that one's or root's",
  });
}
