/** What the kernel says about a process. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** Ticks of utime and stime per second: USER_HZ, 100 on every Linux of today. */
const TICKS_PER_SECOND = 100;

/** CPU seconds that the processes have used so far, user and system. */
export function cpuSeconds(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const fields = read(`/proc/${pid}/stat`)
      .replace(/^.*\) /s, "")
      .split(" ");
    return sum + (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
  }, 0);
}

/** Resident memory in MB (10^6 bytes), shared pages counted in each process. */
export function rssMegabytes(pids: readonly number[]): number {
  return (
    pids.reduce(
      (sum, pid) => sum + Number(/^VmRSS:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024,
      0,
    ) / 1e6
  );
}

/** The process and everything below it whose program has that name. */
export function family(root: number, name: string): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync("/proc").filter((text) => /^\d+$/.test(text))) {
    const parent = Number(
      read(`/proc/${entry}/stat`)
        .replace(/^.*\) /s, "")
        .split(" ")[1] ?? 0,
    );
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const found: number[] = [];
  const queue = [root];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    if (read(`/proc/${pid}/comm`).startsWith(name)) found.push(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return found;
}

/** The processes with exactly this command line, its words put together with blanks. */
export function running(commandLine: string): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .filter((entry) => read(`/proc/${entry}/cmdline`).split("\0").join(" ").trimEnd() === commandLine)
    .map(Number);
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ""; // closed meanwhile
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended
  }
}

/** The TCP port on which the process listens, or null where it does not (yet). */
export function listeningPort(pid: number): number | null {
  const sockets = new Set<string>();
  try {
    for (const fd of readdirSync(`/proc/${pid}/fd`)) sockets.add(linkOf(`/proc/${pid}/fd/${fd}`));
  } catch {
    return null; // it has ended
  }
  for (const family of ["tcp", "tcp6"]) {
    for (const line of read(`/proc/${pid}/net/${family}`).split("\n").slice(1)) {
      const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state === "0A" && sockets.has(`socket:[${inode}]`))
        return Number.parseInt(local.split(":")[1] ?? "", 16);
    }
  }
  return null;
}
