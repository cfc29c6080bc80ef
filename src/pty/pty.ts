/** The interface of a pseudo-terminal: bytes in, bytes out, an end. */

/** How to start a program on a new PTY. */
export interface PtyOptions {
  /** Absolute path of the program; it is checked before the fork. */
  file: string;
  /** Arguments after argv[0] (which is `file`). */
  args: readonly string[];
  /** The whole environment of the child; nothing is inherited beside it. */
  env: Readonly<Record<string, string>>;
  /** Absolute path of the working folder; it is checked before the fork. */
  cwd: string;
  /** Columns, 1 to 65,535. */
  cols: number;
  /** Rows, 1 to 65,535. */
  rows: number;
}

/**
 * How the program ended: one of the two is not null. Both are null where the status is lost, since the program ended in
 * the instant in which this process was replaced (see docs/restart.md).
 */
export interface PtyExit {
  /** 0 to 255, or null where a signal ended it. */
  exitCode: number | null;
  /** Signal name, such as `SIGKILL`, or null where it exited by itself. */
  signal: string | null;
}

/** One pseudo-terminal with the program on it. Owned by a session, which reads it to the end or closes it. */
export interface Pty {
  /** The child: session leader and leader of its own process group. */
  readonly pid: number;
  readonly backend: "native" | "bun" | "adopted";
  /**
   * The next chunk of output (never empty), or null at the end of all output, which comes only once `exited` has
   * settled. One call at a time. Not calling it is the flow control: after 0.2 to 1.5 MB the kernel blocks the
   * program. Read to the null or call `close()`: until then the terminal stays open.
   * @param isLent true lets the next call overwrite the chunk: copy it to keep it
   */
  read(isLent?: boolean): Promise<Uint8Array | null>;
  /**
   * Writes input; resolves once the kernel has taken all of it, in the order of the calls. Rejects with
   * `PtyClosedError` where the PTY ended first. Await it to bound the pending input, and leave `data` unchanged until
   * then.
   */
  write(data: Uint8Array): Promise<void>;
  /** Tells the program its new size (SIGWINCH follows). A no-op after the end. */
  resize(cols: number, rows: number): void;
  /** Settles when the child has been waited for; output may still follow. Never rejects. */
  readonly exited: Promise<PtyExit>;
  /**
   * Ends it: SIGHUP and SIGCONT to every process of the session that does not ignore SIGHUP, the master closed,
   * SIGKILL to the leader and to those after `graceMs` (3 s). Resolves when the child has been reaped. Idempotent;
   * the first call's `graceMs` counts. After the child's own exit it only closes the master: background jobs stay, as
   * they do after a logout.
   */
  close(graceMs?: number): Promise<PtyExit>;
  /**
   * From now on `read()` waits, so that another program image can replace this process (`replaceProcess`) and continue
   * with `state()`.
   */
  freeze(): void;
  /** Collects the runtime's read-ahead within one turn of the event loop; nothing more is read then. */
  drain(): Promise<void>;
  /** The process was not replaced: reading goes on. */
  thaw(): void;
  /** False in the moment between the program's end and our knowing how: its exit status would be lost. */
  readonly isSettled: boolean;
  /** After `freeze` and `drain`, in the turn of the event loop in which the process is replaced. */
  state(): PtyState;
}

/** The state from which the next program image of this process continues a PTY. */
export interface PtyState {
  /** The master; null where it is closed. */
  fd: number | null;
  pid: number;
  /** Start time of the program, in clock ticks since boot; null where it is not known. */
  start: number | null;
  exit: PtyExit | null;
  /** The read-ahead: output that was read and not given out. */
  unread: Uint8Array[];
  /** Input that the kernel has not taken, an entry for each call of `write`. */
  unwritten: Uint8Array[];
}

/** The PTY ended before the operation could be done. */
export class PtyClosedError extends Error {
  override readonly name = "PtyClosedError";
}
