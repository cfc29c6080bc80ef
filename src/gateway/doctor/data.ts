/** What a gateway finds on its machine: its data folder, room, its database, files that it may have open. */
import { readFileSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { counted } from "../../lib/count.ts";
import { freeBytes, megabytes } from "../../lib/disk.ts";
import type { Answer } from "../../lib/finding.ts";
import { newestSchema } from "../store/migrate.ts";
import { inspectDatabase } from "../store/open.ts";

/** A data folder that is there. */
export interface Data {
  folder: string;
  /** Of the gateway that runs on it; null where none does. */
  pid: number | null;
}

export function tryFolder(folder: string): Answer<Data> {
  const stats = statSync(folder, { throwIfNoEntry: false });
  if (!stats?.isDirectory() || !statSync(join(folder, "gateway.db"), { throwIfNoEntry: false })) {
    const detail = `there is no gateway's data in ${folder}`;
    return { verdict: "warning", detail, hint: "rexec serve makes it; --data names another folder" };
  }
  const value = { folder, pid: lockedBy(join(folder, "gateway.lock")) };
  const detail = `${folder}, ${value.pid === null ? "no gateway runs on it" : `a gateway runs on it (pid ${value.pid})`}`;
  const own = process.getuid?.() ?? 0;
  if (own !== 0 && stats.uid !== own) {
    const hint = `run this as user ${stats.uid}, or with sudo`;
    return { verdict: "failed", detail: `${folder} belongs to user ${stats.uid}, and this is ${own}`, hint };
  }
  const strange = FILES.find(
    (name) => uidOf(join(folder, name)) !== (uidOf(join(folder, name)) === null ? null : stats.uid),
  );
  if (strange !== undefined) {
    const hint = `chown -R --reference=${folder} ${folder}`;
    const whose = `user ${uidOf(join(folder, strange))}'s, and the folder is user ${stats.uid}'s`;
    return {
      verdict: "failed",
      detail: `${join(folder, strange)} is ${whose}: the gateway cannot use it`,
      hint,
      value,
    };
  }
  const open = [folder, ...FILES.map((name) => join(folder, name))].find(
    (path) => (modeOf(path) & 0o077) !== 0,
  );
  if (open === undefined) return { detail: `${detail}; its owner's alone`, value };
  const hint = `chmod -R go= ${folder}`;
  return {
    verdict: "warning",
    detail: `${detail}; others on this machine can look into ${open}`,
    hint,
    value,
  };
}

/** Below this a database cannot grow, bytes; and below that a backup and recordings have no room for long. */
const FULL = 16 * 2 ** 20;
const TIGHT = 2 ** 30;

export function tryRoom(folder: string): Answer {
  const free = freeBytes(folder);
  const detail = `${megabytes(free)} free for ${folder}`;
  if (free < FULL) return { verdict: "failed", detail, hint: "make room: nothing can be kept any more" };
  if (free < TIGHT) return { verdict: "warning", detail, hint: "recordings and backups need more" };
  return { detail };
}

/** Reads all of the database. */
export async function tryDatabase({ folder }: Data): Promise<Answer> {
  const file = join(folder, "gateway.db");
  const { schema, users, agents, tokens } = await inspectDatabase(file);
  const newest = newestSchema();
  const holds = [counted(users, "user"), counted(agents, "agent"), counted(tokens, "token")].join(", ");
  const detail = `whole, ${megabytes(statSync(file).size)}, schema ${schema}: ${holds}`;
  if (schema > newest) {
    const hint = "a newer rexec wrote it: run that version";
    return { verdict: "failed", detail: `${detail}; this program knows ${newest}`, hint };
  }
  if (schema === newest) return { detail };
  return { detail: `${detail}; the next start brings it to ${newest}` };
}

/** Agents and viewers take one each, and there are others. */
const FEW = 4_096;

/** @param pid of the gateway; null for this process, which has what one started here would have */
export function tryDescriptors(pid: number | null): Answer {
  const limits = readFileSync(`/proc/${pid ?? "self"}/limits`, "utf8");
  const [, soft = "", hard = ""] = /^Max open files\s+(\d+|unlimited)\s+(\d+|unlimited)/m.exec(limits) ?? [];
  // A gateway raises its own.
  const limit = pid === null ? hard : soft;
  const detail = `${pid === null ? "a gateway started here may have" : "the gateway may have"} ${limit} files open: each agent and viewer takes one`;
  if (Number(limit) < FEW) {
    return { verdict: "warning", detail, hint: "LimitNOFILE= of the service, or ulimit -n" };
  }
  return { detail };
}

/** The oldest time that can be right: that of a row that a gateway wrote here. */
export function tryClock({ folder }: Data, now = Date.now()): Answer {
  const written = statSync(join(folder, "gateway.db")).mtimeMs;
  if (written > now + 60_000) {
    const ahead = new Date(written).toISOString();
    const detail = `this machine's clock is wrong: the database was written at ${ahead}, which is to come`;
    return { verdict: "failed", detail, hint: "set it: timedatectl set-ntp true" };
  }
  return { detail: `${new Date(now).toISOString()}; one-time codes and expiries go by it` };
}

// --- internal ---

const FILES = ["gateway.db", "gateway.db-wal", "gateway.db-shm", "gateway.lock"];

function statOf(path: string): Stats | null {
  return statSync(path, { throwIfNoEntry: false }) ?? null;
}

function uidOf(path: string): number | null {
  return statOf(path)?.uid ?? null;
}

function modeOf(path: string): number {
  return statOf(path)?.mode ?? 0;
}

/** The process that has a POSIX lock on a file. The kernel tells without one taking the lock, which would make files. */
function lockedBy(path: string): number | null {
  const inode = statOf(path)?.ino;
  if (inode === undefined) return null;
  try {
    for (const line of readFileSync("/proc/locks", "utf8").split("\n")) {
      const [, , , kind, pid, place = ""] = line.split(/\s+/);
      if (kind === "WRITE" && place.endsWith(`:${inode}`)) return Number(pid);
    }
  } catch {
    // It is not there for all.
  }
  return null;
}
