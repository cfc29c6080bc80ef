/** What is done at a terminal to measure it. The same for ours and for OpenSSH. */
import type { Terminal } from "./terminals.ts";

const WAIT_MS = 60_000;

export interface Echo {
  p50: number;
  p99: number;
}

/**
 * The shell line of a session that is to be measured: the line discipline does nothing, and `cat` answers. It says
 * READY when it is so; the quotes keep the echo of the line itself from saying it.
 */
export function sessionLine(file?: string): string {
  const bulk = file ? `cat ${file}; printf 'DO%s' NE; ` : "";
  return `stty raw -echo; printf 'RE%s' ADY; ${bulk}exec cat`;
}

/** Resolves when the output, from now on, holds the text. */
export function heard(terminal: Terminal, text: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let seen = "";
  const decoder = new TextDecoder("latin1");
  const timer = setTimeout(
    () => reject(new Error(`waited for ${text}, got ${JSON.stringify(seen.slice(-300))}`)),
    WAIT_MS,
  );
  terminal.onData = (bytes) => {
    seen = seen.slice(-1000) + decoder.decode(bytes);
    if (!seen.includes(text)) return;
    clearTimeout(timer);
    resolve();
  };
  return promise;
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

/** Seconds until `size` bytes of output and the word DONE behind them are here, from the word READY on. */
export async function bulkSeconds(terminal: Terminal, size: number): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  let start = 0;
  let count = 0;
  let tail = "";
  const decoder = new TextDecoder("latin1");
  const timer = setTimeout(() => reject(new Error(`got ${count} of ${size} bytes`)), WAIT_MS);
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
  const seconds = await promise;
  if (count !== size + 4) throw new Error(`${count} bytes arrived, ${size + 4} were sent`);
  return seconds;
}
