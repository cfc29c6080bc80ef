/**
 * Real pipes for a command's stdin, stdout and stderr. The runtime's own are socket pairs, and that shows: no program can
 * open `/dev/stderr` by name then, and bash, taking a socket on stdin for rshd, reads ~/.bashrc.
 */
import { closeSync } from "node:fs";
import { FdReader } from "../../pty/fd-reader.ts";
import { libc, setCloseOnExec, setNonBlocking } from "../../pty/libc.ts";
import { MasterWriter } from "../../pty/master-writer.ts";

const O_CLOEXEC = 0o2000000;

/** The near end of stdin. */
export interface Stdin {
  /** Null once it is closed. */
  readonly fd: number | null;
  /** What the pipe has not taken, an entry for each call of `write` in their order. */
  readonly unwritten: Uint8Array[];
  /** Resolves when the pipe has taken it. Rejects where no process reads it any more. */
  write(bytes: Uint8Array): Promise<void>;
  /** The end of input. Idempotent. */
  end(): void;
}

/** An output of the command. Call `release` once it is read to its end, or is not wanted any more. */
export interface Output {
  readonly fd: number;
  /** Another reader of it; one at a time. */
  open(): FdReader;
  release(): void;
}

/** A child's three pipes, at our end. Owned by the command; closed by its end. */
export interface ChildPipes {
  /** For `Bun.spawn`. */
  stdio: [number | "ignore", number, number];
  stdin: Stdin | null;
  stdout: Output;
  stderr: Output;
  /** The child has its ends: ours of them are closed. To be called whether it could be started or not. */
  handedOver(): void;
  /** It could not be started. */
  abandon(): void;
}

/** @throws Error where no descriptor is free, or libc cannot be called; no pipe is open then */
export function childPipes(withStdin: boolean): ChildPipes {
  const { stdin, stdout, stderr } = openPipes(withStdin);
  const near = stdin ? stdinOf(stdin.ours) : null;
  const out = outputOf(stdout.ours);
  const err = outputOf(stderr.ours);
  return {
    stdio: [stdin?.theirs ?? "ignore", stdout.theirs, stderr.theirs],
    stdin: near,
    stdout: out,
    stderr: err,
    handedOver() {
      for (const pipe of [stdin, stdout, stderr]) if (pipe) closeSync(pipe.theirs);
    },
    abandon() {
      near?.end();
      out.release();
      err.release();
    },
  };
}

/** The near end of stdin, which an earlier program image of this process has left open. */
export function adoptStdin(fd: number): Stdin {
  setCloseOnExec(fd, true);
  return stdinOf(fd);
}

/** An output, which an earlier program image of this process has left open. */
export function adoptOutput(fd: number): Output {
  setCloseOnExec(fd, true);
  return outputOf(fd);
}

// --- internal ---

interface Pipe {
  ours: number;
  theirs: number;
}

/** All of them or none: where one cannot be opened, those before it are closed again. */
function openPipes(withStdin: boolean): { stdin: Pipe | null; stdout: Pipe; stderr: Pipe } {
  using undo = new DisposableStack();
  const open = (ourEnd: "read" | "write") => {
    const pipe = openPipe(ourEnd);
    undo.defer(() => {
      closeSync(pipe.ours);
      closeSync(pipe.theirs);
    });
    return pipe;
  };
  const pipes = { stdin: withStdin ? open("write") : null, stdout: open("read"), stderr: open("read") };
  undo.move();
  return pipes;
}

/** Our end does not block; no other process inherits either. */
function openPipe(ourEnd: "read" | "write"): Pipe {
  const ends = new Int32Array(2);
  if (libc().pipe2(ends, O_CLOEXEC) !== 0) throw new Error("no pipe: too many open files");
  const [reading = -1, writing = -1] = ends;
  const pipe = ourEnd === "read" ? { ours: reading, theirs: writing } : { ours: writing, theirs: reading };
  setNonBlocking(pipe.ours);
  return pipe;
}

function stdinOf(fd: number): Stdin {
  const writer = new MasterWriter(fd, () => true);
  let open = true;
  return {
    get fd() {
      return open ? fd : null;
    },
    get unwritten() {
      return writer.unwritten;
    },
    write: (bytes) => writer.write(bytes),
    end() {
      if (!open) return;
      open = false;
      writer.close();
      closeSync(fd);
    },
  };
}

/** Bun reads on a duplicate of its own, and leaves the one that it was given to us. */
function outputOf(fd: number): Output {
  let isOpen = true;
  return {
    fd,
    open: () => new FdReader(fd),
    release() {
      if (!isOpen) return;
      isOpen = false;
      closeSync(fd);
    },
  };
}
