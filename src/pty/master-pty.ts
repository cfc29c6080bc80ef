/** PTYs by their master's descriptor: the common part of new and adopted ones. */
import { closeSync } from "node:fs";
import { GRACE_MS, hangUp } from "./hangup.ts";
import { MasterReader } from "./master-reader.ts";
import { MasterWriter } from "./master-writer.ts";
import { isAlive, type ProcessEntry } from "./procfs.ts";
import type { Pty, PtyExit, PtyState } from "./pty.ts";
import { terminalSide } from "./size.ts";

/** A master and the program on its terminal. */
export interface Master {
  readonly backend: Pty["backend"];
  /** O_NONBLOCK and CLOEXEC; the PTY closes it. Null where it is closed already. */
  readonly fd: number | null;
  readonly pid: number;
  /** As read from /proc right after the fork. */
  readonly entry: ProcessEntry | null;
  readonly exited: Promise<PtyExit>;
  /** @param cols and rows: 1 to 65,535 */
  resize(fd: number, cols: number, rows: number): void;
  /** Output that an earlier program image read and did not give out. */
  readonly unread?: readonly Uint8Array[];
}

/** See `Pty`. Owned by its session; closes the master once, at the end of output or by `close`. */
export class MasterPty implements Pty {
  readonly backend: Pty["backend"];
  readonly pid: number;
  readonly exited: Promise<PtyExit>;
  readonly #master: Master;
  readonly #reader: MasterReader;
  readonly #writer: MasterWriter;
  #fd: number | null;
  #exit: PtyExit | null = null;
  #closing: Promise<PtyExit> | null = null;

  constructor(master: Master) {
    this.#master = master;
    this.#fd = master.fd;
    this.backend = master.backend;
    this.pid = master.pid;
    this.exited = master.exited.then((exit) => {
      this.#exit = exit;
      return exit;
    });
    this.#reader = new MasterReader(master.fd ?? -1, this.exited, master.unread);
    this.#writer = new MasterWriter(master.fd ?? -1, () => this.#exit !== null);
    if (master.fd === null) this.#stop();
  }

  async read(isLent = false): Promise<Uint8Array | null> {
    const chunk = await this.#reader.read(isLent);
    if (chunk === null) this.#release();
    return chunk;
  }

  write(data: Uint8Array): Promise<void> {
    return this.#writer.write(data);
  }

  resize(cols: number, rows: number): void {
    if (this.#fd !== null) this.#master.resize(this.#fd, terminalSide(cols), terminalSide(rows));
  }

  close(graceMs = GRACE_MS): Promise<PtyExit> {
    const { entry } = this.#master;
    const leader = { entry, exited: this.exited, hasExited: () => this.#exit !== null };
    this.#closing ??= hangUp(leader, () => this.#release(), graceMs);
    return this.#closing;
  }

  get isSettled(): boolean {
    const { entry } = this.#master;
    return this.#exit !== null || entry === null || isAlive(entry);
  }

  freeze(): void {
    this.#reader.freeze();
  }

  drain(): Promise<void> {
    return this.#reader.drain();
  }

  thaw(): void {
    this.#reader.thaw();
  }

  state(): PtyState {
    return {
      fd: this.#fd,
      pid: this.pid,
      start: this.#master.entry?.start ?? null,
      exit: this.#exit,
      unread: [...this.#reader.unread],
      unwritten: this.#writer.unwritten,
    };
  }

  // --- internal ---

  /** Closes the master, once: its number may be another file's a moment later. */
  #release(): void {
    const fd = this.#fd;
    if (fd === null) return;
    this.#fd = null;
    this.#stop();
    closeSync(fd);
  }

  #stop(): void {
    this.#writer.close();
    this.#reader.cancel();
  }
}
