/** Real sessions for the tests: every case of the suite runs on both backends. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { loadAddon } from "../../src/pty/addon.ts";
import { BunTerminalPty } from "../../src/pty/bun-terminal.ts";
import { NativePty } from "../../src/pty/native.ts";
import { listProcesses } from "../../src/pty/procfs.ts";
import type { Pty, PtyOptions } from "../../src/pty/pty.ts";
import { until, within } from "../support/wait.ts";

export const backends = ["native", "bun"] as const;
export type Backend = (typeof backends)[number];

const defaults: PtyOptions = {
  file: "/bin/sh",
  args: [],
  // Without HOME a shell finds the account's own by itself, and its history there.
  env: {
    PATH: "/usr/bin:/bin:/usr/sbin:/sbin",
    TERM: "xterm-256color",
    PS1: "$ ",
    HOME: tmpdir(),
    HISTFILE: "/dev/null",
  },
  cwd: "/",
  cols: 80,
  rows: 24,
};

/** Opens a PTY on this backend. */
export function open(backend: Backend, options: Partial<PtyOptions> = {}): Pty {
  const all = { ...defaults, ...options };
  return backend === "native" ? new NativePty(loadAddon(), all) : new BunTerminalPty(all);
}

/** Opens a PTY with this `sh` script on it. */
export function script(backend: Backend, text: string, options: Partial<PtyOptions> = {}): Pty {
  return open(backend, { ...options, args: ["-c", text] });
}

/** All output that is still to come, to its end. */
export async function readAll(pty: Pty, ms = 10_000): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const chunk = await within(pty.read(), ms, "more output or its end");
    if (chunk === null) return Buffer.concat(chunks);
    chunks.push(chunk);
  }
}

/** Output up to and including the first occurrence of `mark`, and what came with it in the same chunk. */
export async function readUntil(pty: Pty, mark: string, ms = 10_000): Promise<string> {
  let seen = "";
  while (!seen.includes(mark)) {
    const chunk = await within(
      pty.read(),
      ms,
      `${JSON.stringify(mark)} in the output, after ${JSON.stringify(seen)}`,
    );
    if (chunk === null)
      throw new Error(`the output ended before ${JSON.stringify(mark)}: ${JSON.stringify(seen)}`);
    seen += Buffer.from(chunk).toString("latin1");
  }
  return seen;
}

/** SHA-256 of all output that is still to come. */
export async function hashAll(pty: Pty, ms = 10_000): Promise<string> {
  const hash = new Bun.CryptoHasher("sha256");
  for (;;) {
    const chunk = await within(pty.read(), ms, "more output or its end");
    if (chunk === null) return hash.digest("hex");
    hash.update(chunk);
  }
}

/** SHA-256 of the bytes. */
export function sha256(bytes: Uint8Array): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/**
 * Measures how long the event loop stood still at most, in milliseconds, until the answer is called. The time in which
 * it could have run and other processes had the processors does not count.
 */
export function watchLoop(): () => number {
  let longest = 0;
  let [last, waited] = [performance.now(), waitedForProcessor()];
  const look = () => {
    const [now, waitedNow] = [performance.now(), waitedForProcessor()];
    longest = Math.max(longest, now - last - (waitedNow - waited));
    [last, waited] = [now, waitedNow];
  };
  const timer = setInterval(look, 1);
  return () => {
    clearInterval(timer);
    look();
    return longest;
  };
}

/** How long this thread has been ready to run and had no processor so far, ms; 0 where the kernel does not say. */
function waitedForProcessor(): number {
  try {
    return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1]) / 1e6;
  } catch {
    return 0;
  }
}

/** What this process holds: PTY masters, threads, and children, dead ones too. */
export function holdings() {
  const masters = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes("ptmx");
    } catch {
      return false; // the descriptor of this listing
    }
  });
  return {
    fds: readdirSync("/proc/self/fd").length,
    masters: masters.length,
    threads: Number(/^Threads:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]),
    children: listProcesses().filter(({ ppid }) => ppid === process.pid).length,
  };
}

/** Living processes of the session that `pid` leads or led. */
export function members(pid: number): number[] {
  return listProcesses()
    .filter(({ session, state }) => session === pid && state !== "Z")
    .map((entry) => entry.pid);
}

/** Waits until this program is the foreground of the terminal that `pid` leads, and so gets ^C and ^Z. */
export async function inForeground(pid: number, program: string): Promise<void> {
  await until(
    async () => {
      const stat = await Bun.file(`/proc/${pid}/stat`).text();
      const group = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[5];
      const comm = Bun.file(`/proc/${group}/comm`); // of no process while the terminal has no foreground yet
      return (await comm.text().catch(() => "")) === `${program}\n`;
    },
    5_000,
    `${program} to be in the foreground`,
  );
}
