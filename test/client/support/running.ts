/** `rexec` as a child that a test watches while it runs, and bytes that can be told apart. */
import { closeSync, constants, openSync, read, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ENTRY } from "./cli.ts";

type Env = Record<string, string>;

/** Bytes of printable text, the same for the same seed: no 4 KiB of it come twice. */
export function text(bytes: number, seed = 1): Uint8Array {
  const out = new Uint8Array(bytes);
  let state = seed * 2_654_435_761;
  for (let at = 0; at < bytes; at += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out[at] = at % 80 === 79 ? 0x0a : 0x21 + ((state >>> 24) % 94);
  }
  return out;
}

export function sha256(bytes: Uint8Array | string): string {
  return new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
}

/** Resident memory in MB; 0 for a process that has ended. */
export function rssOf(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kib ?? 0) / 1024;
}

/** With pipes; ended where the scope ends first. */
export function start(args: readonly string[], env: Env, stdin: "pipe" | "ignore" = "ignore") {
  const command = [process.execPath, ENTRY, ...args];
  return Bun.spawn(command, { env, stdin, stdout: "pipe", stderr: "pipe" });
}

/** As `start`, with stdout as it is given. */
export function startInto(stdout: number, args: readonly string[], env: Env, stdin: "pipe" | "ignore") {
  const command = [process.execPath, ENTRY, ...args];
  return Bun.spawn(command, { env, stdin, stdout, stderr: "pipe" });
}

/** A pipe that is read only when it is asked to be (a child's own `stdout` is read ahead by the runtime). */
export function namedPipe(): { fd: number; read(): Promise<Uint8Array> } & Disposable {
  const path = join(tmpdir(), `rexec-pipe-${crypto.randomUUID()}`);
  Bun.spawnSync(["mkfifo", path]);
  // Open in both directions, so that opening waits for nobody.
  const end = openSync(path, constants.O_RDWR);
  const fd = openSync(path, constants.O_WRONLY);
  rmSync(path);
  const buffer = new Uint8Array(64 * 1024);
  return {
    fd,
    read: () =>
      new Promise((resolve, reject) => {
        read(end, buffer, 0, buffer.length, null, (error, length) =>
          error ? reject(error) : resolve(buffer.slice(0, length)),
        );
      }),
    [Symbol.dispose]() {
      closeSync(end);
      closeSync(fd);
    },
  };
}
