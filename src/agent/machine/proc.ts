/** The few numbers of /proc and the file systems that `system_info` and `stats` tell. All in bytes. */
import { readFileSync, statfsSync } from "node:fs";
import { freemem, totalmem } from "node:os";

/** Sizes of the machine's memory, bytes. */
export interface Memory {
  total: number;
  available: number;
  free: number;
}

/** Memory of the machine, or of the container where that is allowed less. */
export function readMemory(): Memory {
  const text = readText("/proc/meminfo");
  const kib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? Number.NaN) * 1024;
  const total = kib("MemTotal") || totalmem();
  const free = kib("MemFree") || freemem();
  const available = kib("MemAvailable") || free;
  const limit = cgroupLimit();
  if (limit === null || limit.max >= total) return { total, available, free };
  const left = Math.max(0, limit.max - limit.used);
  return { total: limit.max, available: Math.min(available, left), free: Math.min(free, left) };
}

/** Sizes of a file system, bytes. */
export interface Disk {
  total: number;
  free: number;
  available: number;
}

/** The file system of `/`; zeros where it can't be asked. */
export function readDisk(): Disk {
  try {
    const { bsize, blocks, bfree, bavail } = statfsSync("/");
    return { total: blocks * bsize, free: bfree * bsize, available: bavail * bsize };
  } catch {
    return { total: 0, free: 0, available: 0 };
  }
}

/** Ticks since boot over all cores. */
export interface CpuTicks {
  busy: number;
  total: number;
}

/** Null where /proc/stat is not to be read. Fields: proc(5), "cpu". */
export function readCpu(): CpuTicks | null {
  const line = readText("/proc/stat").split("\n", 1)[0] ?? "";
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line.split(/\s+/).slice(1, 9).map(Number);
  if (user === undefined || idle === undefined || !line.startsWith("cpu ")) return null;
  const busy = user + (nice ?? 0) + (system ?? 0) + (irq ?? 0) + (softirq ?? 0) + (steal ?? 0);
  return { busy, total: busy + idle + (iowait ?? 0) };
}

/** The text of a file, or "" where it can't be read. */
export function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

// --- internal ---

/** The limit of a container, seen from inside it at the root of its cgroup; v2, then v1. */
function cgroupLimit(): { max: number; used: number } | null {
  for (const [max, used] of CGROUP_FILES) {
    const limit = Number.parseInt(readText(max), 10);
    if (!Number.isNaN(limit)) return { max: limit, used: Number.parseInt(readText(used), 10) || 0 };
  }
  return null;
}

const CGROUP_FILES = [
  ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"],
  ["/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"],
] as const;
