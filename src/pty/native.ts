/** A PTY on node-pty's native core: real flow control, exact exit status. */
import { closeSync } from "node:fs";
import { fork, type PtyAddon } from "./addon.ts";
import { trackChild, untrackChild } from "./children.ts";
import { forkFailed } from "./errors.ts";
import { exitOf } from "./exit-status.ts";
import { GRACE_MS, hangUp } from "./hangup.ts";
import { MasterReader } from "./master-reader.ts";
import { MasterWriter } from "./master-writer.ts";
import { readProcess } from "./procfs.ts";
import type { Pty, PtyExit, PtyOptions } from "./pty.ts";
import { terminalSide } from "./size.ts";

/** See `Pty`; made by `openPty`, which checks the options first. */
export class NativePty implements Pty {
  readonly backend = "native";
  readonly pid: number;
  readonly exited: Promise<PtyExit>;
  readonly #addon: PtyAddon;
  readonly #reader: MasterReader;
  readonly #writer: MasterWriter;
  readonly #entry: ReturnType<typeof readProcess>;
  #fd: number | null;
  #exit: PtyExit | null = null;
  #closing: Promise<PtyExit> | null = null;

  /** @throws PtyOpenError `PTY_UNAVAILABLE` where the kernel gives no PTY or no process. */
  constructor(addon: PtyAddon, options: PtyOptions) {
    const { promise, resolve } = Promise.withResolvers<PtyExit>();
    const env = Object.entries(options.env).map(([name, value]) => `${name}=${value}`);
    const size = { cols: terminalSide(options.cols), rows: terminalSide(options.rows) };
    try {
      const { fd, pid } = fork(addon, { ...options, ...size, env }, (exitCode, signal) => {
        untrackChild(pid);
        this.#exit = exitOf(exitCode, signal);
        resolve(this.#exit);
      });
      this.#fd = fd;
      this.pid = pid;
    } catch (cause) {
      throw forkFailed(cause, options.file);
    }
    trackChild(this.pid);
    this.#entry = readProcess(this.pid);
    this.#addon = addon;
    this.exited = promise;
    this.#reader = new MasterReader(this.#fd, promise);
    this.#writer = new MasterWriter(this.#fd, () => this.#exit !== null);
  }

  async read(): Promise<Uint8Array | null> {
    const chunk = await this.#reader.read();
    if (chunk === null) this.#release();
    return chunk;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#writer.write(data);
  }

  resize(cols: number, rows: number): void {
    if (this.#fd === null) return;
    this.#addon.resize(this.#fd, terminalSide(cols), terminalSide(rows), 0, 0);
  }

  close(graceMs = GRACE_MS): Promise<PtyExit> {
    const leader = { entry: this.#entry, exited: this.exited, hasExited: () => this.#exit !== null };
    this.#closing ??= hangUp(leader, () => this.#release(), graceMs);
    return this.#closing;
  }

  /** Gives the master back, once: its number may be another file's a moment later. */
  #release(): void {
    const fd = this.#fd;
    if (fd === null) return;
    this.#fd = null;
    this.#writer.close();
    this.#reader.cancel();
    closeSync(fd);
  }
}
