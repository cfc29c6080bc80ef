/** The fallback: Bun's own PTY, which needs no addon (musl, noexec /tmp, no libstdc++). */
import { closeSync, readdirSync } from "node:fs";
import { trackChild, untrackChild } from "./children.ts";
import { forkFailed } from "./errors.ts";
import { exitOfChild } from "./exit-status.ts";
import { Gate } from "./gate.ts";
import { GRACE_MS, hangUp } from "./hangup.ts";
import { duplicate, ptyNumber } from "./libc.ts";
import { MasterWriter } from "./master-writer.ts";
import { withOpenFilesAsBefore } from "./open-files.ts";
import { OutputQueue } from "./output-queue.ts";
import { isAlive, type ProcessEntry, readProcess, slaveNumber } from "./procfs.ts";
import { type Pty, PtyClosedError, type PtyExit, type PtyOptions, type PtyState } from "./pty.ts";
import { terminalSide } from "./size.ts";

/** See `Pty`; made by `openPty`, which checks the options first. */
export class BunTerminalPty implements Pty {
  readonly backend = "bun";
  readonly pid: number;
  readonly exited: Promise<PtyExit>;
  readonly #terminal: Bun.Terminal;
  readonly #output: OutputQueue;
  readonly #entry: ProcessEntry | null;
  readonly #gate = new Gate();
  /** Read, and paused by the gate on its way to the caller. */
  #pendingChunk: Uint8Array | null = null;
  #exit: PtyExit | null = null;
  #closing: Promise<PtyExit> | null = null;
  #master: number | null = null;
  #writer: MasterWriter | null = null;

  /** @throws PtyOpenError `PTY_UNAVAILABLE` where the kernel gives no PTY or no process. */
  constructor(options: PtyOptions) {
    const { file, args, env, cwd } = options;
    const output = new OutputQueue(() => this.#entry?.tty ?? 0);
    try {
      // Inline, not `new Bun.Terminal()`: that one does not become the controlling terminal (oven-sh/bun#33237).
      const terminal = {
        cols: terminalSide(options.cols),
        rows: terminalSide(options.rows),
        data: (_: Bun.Terminal, data: Uint8Array) => output.push(data),
        exit: () => output.end(), // the end of the terminal; its "code" is not the program's (oven-sh/bun#40289)
      };
      const child = withOpenFilesAsBefore(() => Bun.spawn([file, ...args], { cwd, env, terminal }));
      if (child.terminal === undefined) throw new Error("Bun gave no terminal");
      this.#terminal = child.terminal;
      this.pid = child.pid;
      this.#output = output;
      this.#entry = readProcess(child.pid);
      trackChild(child.pid);
      this.#master = findMaster(this.#entry?.tty ?? 0);
      if (this.#master !== null) this.#writer = new MasterWriter(this.#master, () => this.#exit !== null);
      this.exited = child.exited.then(() => {
        untrackChild(child.pid);
        const exit = exitOfChild(child);
        this.#exit = exit;
        output.leaderExited();
        return exit;
      });
    } catch (cause) {
      throw forkFailed(cause, options.file);
    }
  }

  async read(): Promise<Uint8Array | null> {
    await this.#gate.passed();
    const chunk = await this.#output.read();
    if (chunk !== null) {
      this.#pendingChunk = chunk;
      await this.#gate.passed();
      this.#pendingChunk = null;
      return chunk;
    }
    await this.exited;
    this.#release();
    return null;
  }

  write(data: Uint8Array): Promise<void> {
    // Without a writer the program ended before its terminal could be found.
    return (
      this.#writer?.write(data) ?? Promise.reject(new PtyClosedError("the PTY ended before the input came"))
    );
  }

  resize(cols: number, rows: number): void {
    if (!this.#terminal.closed) this.#terminal.resize(terminalSide(cols), terminalSide(rows));
  }

  close(graceMs = GRACE_MS): Promise<PtyExit> {
    const leader = { entry: this.#entry, exited: this.exited, hasExited: () => this.#exit !== null };
    this.#closing ??= hangUp(leader, () => this.#release(), graceMs);
    return this.#closing;
  }

  get isSettled(): boolean {
    return this.#exit !== null || this.#entry === null || isAlive(this.#entry);
  }

  freeze(): void {
    this.#gate.shut();
  }

  /** Bun pushes all that it reads. */
  async drain(): Promise<void> {
    this.#output.release();
  }

  thaw(): void {
    this.#gate.open();
  }

  state(): PtyState {
    return {
      fd: this.#master,
      pid: this.pid,
      start: this.#entry?.start ?? null,
      exit: this.#exit,
      unread: [...(this.#pendingChunk ? [this.#pendingChunk] : []), ...this.#output.unread],
      unwritten: this.#writer?.unwritten ?? [],
    };
  }

  #release(): void {
    this.#output.end();
    this.#writer?.close();
    if (!this.#terminal.closed) this.#terminal.close();
    if (this.#master !== null) closeSync(this.#master);
    this.#master = null;
  }
}

/**
 * A duplicate of the terminal's master, for writing: `Bun.Terminal.write` buffers without bound, and the drain event that
 * would bound it gets lost on a busy machine (1 write in 30, measured on Bun 1.4.5). Bun exposes no descriptor, and closes
 * its own at any time: hence the search and the duplicate.
 */
function findMaster(tty: number): number | null {
  const number = slaveNumber(tty);
  if (number === null) return null;
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    if (ptyNumber(fd) === number) return duplicate(fd);
  }
  return null;
}
