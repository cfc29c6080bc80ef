/** Our own stdin: as bytes, as a whole, or as a secret that a person types unseen. */
import { constants, openSync, read } from "node:fs";
import { readAll } from "../client/stdin.ts";
import { errnoOf, RexecError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { FdReader } from "../pty/fd-reader.ts";
import { say, writeErr } from "./_output.ts";

/** The user may not know that stdin is waited for, ms. */
const HINT_AFTER_MS = 3_000;
const CHUNK_BYTES = 64 * 1024;
const LONGEST_SECRET = 16 * 1024;

/** The bytes of stdin, one read at a time and none ahead; a closed stdin is an empty one. */
export async function* stdinBytes(): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (;;) {
    const { length, error } = await readOnce(buffer);
    const code = errnoOf(error);
    if (code === "EAGAIN") await Bun.sleep(5);
    else if (code === "EINTR") continue;
    // EIO: the terminal is gone. EBADF: there never was a stdin.
    else if (code === "EIO" || code === "EBADF" || (!error && length === 0)) return;
    else if (error) throw error;
    else yield buffer.slice(0, length);
  }
}

/**
 * The same of a terminal that is in raw mode, through the event loop: `fs.read` takes a turn by another thread, and so
 * does each key then. On a description of its own, as reading like that sets O_NONBLOCK, which others would share.
 */
export async function* terminalBytes(): AsyncGenerator<Uint8Array> {
  const fd = openTerminal();
  if (fd === null) return yield* stdinBytes();
  const reader = new FdReader(fd);
  try {
    for (let bytes = await reader.read(); bytes; bytes = await reader.read()) yield bytes;
  } catch (error) {
    if (errnoOf(error) !== "EIO") throw error; // the terminal is gone
  }
}

/** As `stdinBytes`, for a reader that waits for the end: says once that it waits. */
export async function* awaitedStdin(hint: string): AsyncGenerator<Uint8Array> {
  const timer = setTimeout(() => say(hint), HINT_AFTER_MS);
  try {
    yield* stdinBytes();
  } finally {
    clearTimeout(timer);
  }
}

/** The first line of a piped stdin, trimmed; empty where there is none. */
export async function secretFromPipe(what: string): Promise<string> {
  return (await linesFromPipe(what))[0] ?? "";
}

/** The lines of a piped stdin, trimmed. */
export async function linesFromPipe(what: string): Promise<string[]> {
  const tooLarge = () => new RexecError(`${what} on stdin is far too long`, { code: "bad_secret" });
  const bytes = await readAll(awaitedStdin(`waiting for ${what} on stdin`), LONGEST_SECRET, tooLarge);
  return Buffer.from(bytes)
    .toString("utf8")
    .split("\n")
    .map((line) => line.trim());
}

/**
 * Asks a person at the terminal for a secret. Nothing of it is shown, not even its length.
 * @throws RexecError `cancelled` (exit code 130) on Ctrl-C, or where the terminal goes
 */
export async function askSecret(question: string): Promise<string> {
  return (await askSecretUntil(question, new AbortController().signal)) ?? "";
}

/**
 * As `askSecret`, until the signal is aborted.
 * @returns null where the signal came first
 */
export async function askSecretUntil(question: string, signal: AbortSignal): Promise<string | null> {
  const restore = () => {
    process.stdin.setRawMode(false);
  };
  const aborted = new Promise<null>((resolve) =>
    signal.addEventListener("abort", () => resolve(null), { once: true }),
  );
  process.stdin.setRawMode(true);
  process.once("exit", restore);
  const onSignal = () => process.exit(128 + 15);
  process.once("SIGTERM", onSignal);
  const input = stdinBytes();
  let typed = "";
  try {
    // Not before the echo is off: a script that waits for the question may answer within the same millisecond.
    await writeErr(`${printable(question)} (not shown): `);
    for (;;) {
      const next = signal.aborted ? null : await Promise.race([input.next(), aborted]);
      if (next === null) return null;
      if (next.done) throw cancelled();
      const state = edit(typed, Buffer.from(next.value).toString("utf8"));
      if (state.done) return state.typed.trim();
      typed = state.typed;
    }
  } finally {
    restore();
    process.off("exit", restore);
    process.off("SIGTERM", onSignal);
    await writeErr("\n");
  }
}

/** Asks a person at the terminal; anything but a yes is a no. */
export async function confirm(question: string): Promise<boolean> {
  await writeErr(`${printable(question)} [y/N] `);
  for await (const chunk of stdinBytes()) return /^y(es)?\s*$/i.test(Buffer.from(chunk).toString("utf8"));
  return false;
}

// --- internal ---

function readOnce(buffer: Uint8Array): Promise<{ length: number; error: unknown }> {
  return new Promise((resolve) => {
    read(0, buffer, 0, buffer.length, null, (error, length) =>
      resolve({ length: error ? 0 : length, error }),
    );
  });
}

function edit(before: string, keys: string): { typed: string; done: boolean } {
  let typed = before;
  // A paste comes in marks where the terminal was left in that mode.
  for (const key of keys.replaceAll("\x1b[200~", "").replaceAll("\x1b[201~", "")) {
    if (key === "\r" || key === "\n") return { typed, done: true };
    if (key === "\x03") throw cancelled();
    if (key === "\x04") {
      if (!typed) throw cancelled();
      return { typed, done: true };
    }
    if (key === "\x7f" || key === "\b") typed = typed.slice(0, -1);
    else if (key === "\x15") typed = "";
    else if (key >= " ") typed = (typed + key).slice(0, LONGEST_SECRET);
  }
  return { typed, done: false };
}

function cancelled(): RexecError {
  return new RexecError("cancelled", { code: "cancelled", exitCode: 128 + 2 });
}

function openTerminal(): number | null {
  try {
    return openSync("/proc/self/fd/0", constants.O_RDONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch {
    return null; // without /proc, or with a terminal of another account
  }
}
