/** Workloads at a terminal, the same for every subject. */
import { median } from "./figures.ts";
import type { Terminal } from "./terminals.ts";

const WAIT_MS = 60_000;
/** Bound of the wait for the prompt after Ctrl-C, ms. */
const INTERRUPT_MS = 20_000;
/** The prompt of the remote shell after `begin`; it occurs in no other output. */
const PROMPT = "BENCH> ";

/** Times from a key to its echo, ms. */
export interface Echo {
  p50: number;
  p99: number;
}

/** Waits for any prompt, and changes it to `PROMPT`. */
export async function begin(terminal: Terminal): Promise<void> {
  await heard(terminal, /[$#] $/);
  const ready = heard(terminal, PROMPT);
  // The quotes keep the line's own echo from matching.
  terminal.write("PS1='BEN''CH> '\n");
  await ready;
}

/** The command line of a measured session: a raw terminal with `cat`. It prints READY first. */
function bulkLine(file: string): string {
  return `stty raw -echo; printf 'RE%s' ADY; cat ${file}; printf 'DO%s' NE; exec cat`;
}

/** Resolves when the output, from now on, holds the text. */
export function heard(terminal: Terminal, text: string | RegExp, ms = WAIT_MS): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let seen = "";
  const decoder = new TextDecoder("latin1");
  const timer = setTimeout(
    () => reject(new Error(`waited ${ms} ms for ${text}, got ${JSON.stringify(seen.slice(-300))}`)),
    ms,
  );
  terminal.onData = (bytes) => {
    seen = seen.slice(-1000) + decoder.decode(bytes.length > 100_000 ? bytes.subarray(-100_000) : bytes);
    // Some shells put escape sequences behind their prompt.
    const hit = typeof text === "string" ? seen.includes(text) : text.test(withoutEscapes(seen));
    if (!hit) return;
    clearTimeout(timer);
    resolve();
  };
  return promise;
}

/** Makes the session's terminal raw; `cat` answers from then on. */
export async function bare(terminal: Terminal): Promise<void> {
  // Unique characters: mosh sends only the letters of a word that its screen does not have there already.
  const ready = heard(terminal, new TextDecoder("latin1").decode(Buffer.from("≡")));
  terminal.write("stty raw -echo; printf '\\342\\211\\241'; exec cat\n");
  await ready;
}

/** Milliseconds from a key to its echo, one at a time, 1 to 4 ms apart so that nothing runs in step. */
export async function echoLatency(terminal: Terminal, keys = 500, warmUp = 100): Promise<Echo> {
  const times: number[] = [];
  for (let key = 0; key < keys + warmUp; key += 1) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    terminal.onData = () => resolve();
    const timer = setTimeout(() => reject(new Error("a key had no echo")), WAIT_MS);
    const start = performance.now();
    terminal.write("x");
    await promise;
    if (key >= warmUp) times.push(performance.now() - start);
    clearTimeout(timer);
    await Bun.sleep(1 + Math.random() * 3);
  }
  times.sort((a, b) => a - b);
  return {
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

/** Milliseconds from Ctrl-C in a running flood to the prompt: the median of three, or of fewer where it never comes. */
export async function interruptMs(
  terminal: Terminal,
  command: string,
  floodMs: number,
): Promise<number | undefined> {
  const times: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    terminal.onData = () => {};
    terminal.write(`${command}\n`);
    await Bun.sleep(floodMs);
    const prompt = heard(terminal, PROMPT, INTERRUPT_MS);
    const start = performance.now();
    terminal.write("\x03");
    await prompt;
    times.push(performance.now() - start);
    // One such value is enough.
    if (performance.now() - start > 10_000) break;
  }
  return median(times);
}

/** Seconds from READY through `size` bytes of a file's output to DONE. */
export async function bulkSeconds(
  terminal: Terminal,
  { file, size }: { file: string; size: number },
): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let start = 0;
  let count = 0;
  let tail = "";
  const decoder = new TextDecoder("latin1");
  const timer = setTimeout(() => reject(new Error(`got ${count} of ${size} bytes`)), 4 * WAIT_MS);
  terminal.onData = (bytes) => {
    if (start === 0) {
      tail += decoder.decode(bytes);
      const at = tail.indexOf("READY");
      if (at < 0) return;
      start = performance.now();
      count = tail.length - at - 5;
      tail = tail.slice(-4);
    } else {
      count += bytes.length;
      tail = (tail + decoder.decode(bytes.subarray(-4))).slice(-4);
    }
    if (count < size + 4 || tail !== "DONE") return;
    clearTimeout(timer);
    resolve((performance.now() - start) / 1000);
  };
  terminal.write(`${bulkLine(file)}\n`);
  const seconds = await promise;
  if (count !== size + 4) throw new Error(`${count} bytes arrived, ${size + 4} were sent`);
  return seconds;
}

// --- internal ---

function withoutEscapes(text: string): string {
  return text.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, "");
}
