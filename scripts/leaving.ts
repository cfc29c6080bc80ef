/** Ends a script by a signal, or with the npx or `bun run` that started it. */
import { readFileSync } from "node:fs";

const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;
/** Interval of the look at the launchers, ms. */
const LOOK_MS = 500;
/** npm writes its whole command over its name. */
const RUNNER = /(^|\/)(node|npm|npx|bun)(\.exe)?( |$)/;

/**
 * Calls `leave` with the exit code, once, when the script has to end. A killed launcher passes no signal on: its children
 * would go on in a terminal that belongs to another program by then.
 */
export function onLeaving(leave: (code: number) => void): void {
  let isLeaving = false;
  const once = (code: number) => {
    if (!isLeaving) leave(code);
    isLeaving = true;
  };
  for (const [name, number] of Object.entries(SIGNALS)) process.on(name, () => once(128 + number));
  const launchers = findLaunchers();
  const timer = setInterval(() => {
    if (launchers.some(({ pid, start }) => readStat(pid)?.start !== start)) once(128 + SIGNALS.SIGHUP);
  }, LOOK_MS);
  timer.unref();
}

// --- internal ---

interface Stat {
  pid: number;
  parent: number;
  group: number;
  /** Start time in ticks after boot: a pid may be used again. */
  start: string;
}

/** The npx, npm, `bun run` and their shells above this process, in its process group. */
function findLaunchers(): Stat[] {
  const own = readStat(process.pid);
  const found: Stat[] = [];
  for (let pid = own?.parent ?? 0; pid > 1; ) {
    const stat = readStat(pid);
    if (stat === null || stat.group !== own?.group || !isLauncher(stat)) break;
    found.push(stat);
    pid = stat.parent;
  }
  return found;
}

/** A shell counts only as a child of another launcher: a script's shell may end before its children. */
function isLauncher({ pid, parent }: Stat): boolean {
  const [program = "", flag] = words(pid);
  if (RUNNER.test(program)) return true;
  return /(^|\/)(sh|dash|bash)$/.test(program) && flag === "-c" && RUNNER.test(words(parent)[0] ?? "");
}

function words(pid: number): string[] {
  return read(`/proc/${pid}/cmdline`).split("\0");
}

function readStat(pid: number): Stat | null {
  const text = read(`/proc/${pid}/stat`);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state, parent, group] = fields;
  if (state === undefined || parent === undefined || state === "Z") return null;
  return { pid, parent: Number(parent), group: Number(group), start: fields[19] ?? "" };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // it has ended
  }
}
