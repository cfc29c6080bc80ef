/** The fallback: Bun's own PTY, which needs no addon (musl, noexec /tmp, no libstdc++). */
import { trackChild, untrackChild } from "./children.ts";
import { forkFailed } from "./errors.ts";
import { signalName } from "./exit-status.ts";
import { GRACE_MS, hangUp } from "./hangup.ts";
import { OutputQueue } from "./output-queue.ts";
import { type ProcessEntry, readProcess } from "./procfs.ts";
import { type Pty, PtyClosedError, type PtyExit, type PtyOptions } from "./pty.ts";
import { terminalSide } from "./size.ts";

/** Bytes given to Bun at a time: it takes everything and buffers what the kernel does not, so this is the bound. */
const PIECE = 64 * 1024;

/** See `Pty`; made by `openPty`, which checks the options first. */
export class BunTerminalPty implements Pty {
  readonly backend = "bun";
  readonly pid: number;
  readonly exited: Promise<PtyExit>;
  readonly #terminal: Bun.Terminal;
  readonly #output: OutputQueue;
  readonly #entry: ProcessEntry | null;
  #exit: PtyExit | null = null;
  #closing: Promise<PtyExit> | null = null;
  #lastWrite: Promise<void> = Promise.resolve();
  #drained: (() => void) | null = null;
  #over = false;

  /** @throws PtyOpenError `PTY_UNAVAILABLE` where the kernel gives no PTY or no process. */
  constructor(options: PtyOptions) {
    const { file, args, env, cwd } = options;
    const output = new OutputQueue(() => this.#entry?.tty ?? 0);
    try {
      // Inline, not `new Bun.Terminal()`: that one does not become the controlling terminal (oven-sh/bun#33237).
      const child = Bun.spawn([file, ...args], {
        cwd,
        env,
        terminal: {
          cols: terminalSide(options.cols),
          rows: terminalSide(options.rows),
          data: (_, data) => output.push(data),
          drain: () => this.#drained?.(),
          exit: () => this.#hungUp(), // the end of the terminal; its "code" is not the program's (oven-sh/bun#40289)
        },
      });
      if (child.terminal === undefined) throw new Error("Bun gave no terminal");
      this.#terminal = child.terminal;
      this.pid = child.pid;
      this.#output = output;
      this.#entry = readProcess(child.pid);
      trackChild(child.pid);
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
    const chunk = await this.#output.read();
    if (chunk !== null) return chunk;
    await this.exited;
    this.#release();
    return null;
  }

  write(data: Uint8Array): Promise<void> {
    const sent = this.#lastWrite.then(() => this.#send(data));
    this.#lastWrite = sent.catch(() => {}); // the caller has the error; the next call gets its own
    return sent;
  }

  resize(cols: number, rows: number): void {
    if (!this.#over) this.#terminal.resize(terminalSide(cols), terminalSide(rows));
  }

  close(graceMs = GRACE_MS): Promise<PtyExit> {
    const leader = { entry: this.#entry, exited: this.exited, hasExited: () => this.#exit !== null };
    this.#closing ??= hangUp(leader, () => this.#release(), graceMs);
    return this.#closing;
  }

  async #send(data: Uint8Array): Promise<void> {
    for (let offset = 0; offset < data.length; offset += PIECE) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#drained = resolve;
      if (!this.#over) {
        this.#terminal.write(data.slice(offset, offset + PIECE));
        await promise;
      }
      if (this.#over) throw new PtyClosedError("the PTY ended before all input was written");
    }
  }

  /** No more bytes in either direction. */
  #hungUp(): void {
    this.#over = true;
    this.#output.end();
    this.#drained?.();
  }

  #release(): void {
    this.#hungUp();
    if (!this.#terminal.closed) this.#terminal.close();
  }
}

/** The exit of a child that Bun has waited for. */
function exitOfChild({ signalCode, exitCode }: Bun.Subprocess): PtyExit {
  if (signalCode === null) return { exitCode: exitCode ?? 0, signal: null };
  return { exitCode: null, signal: typeof signalCode === "number" ? signalName(signalCode) : signalCode };
}
