/** What `rexec exec` prints once the command has ended. */

import type { RunEnd } from "../client/run/run-state.ts";
import type { Agent } from "../protocol/http.ts";
import { EXEC_STREAM_BYTES } from "../protocol/limits.ts";
import { say, writeJson, writeOut } from "./_output.ts";

/** The beginning of a stream, for `--json`. */
export class Collector {
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  truncated = false;

  async add(bytes: Uint8Array): Promise<void> {
    const kept = bytes.subarray(0, EXEC_STREAM_BYTES - this.#length);
    this.#chunks.push(kept.slice());
    this.#length += kept.length;
    this.truncated ||= kept.length < bytes.length;
  }

  get bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}

/** Stdout and stderr. */
export type Collected = readonly [Collector, Collector];

/** Prints the result, and what a person should know of it. */
export async function report(
  end: RunEnd,
  { agent, words, collected }: { agent: Agent; words: readonly string[]; collected: Collected | null },
): Promise<void> {
  if (collected) return writeJson(jsonOf(end, collected, agent));
  await print(end, words);
}

// --- internal ---

async function print(end: RunEnd, words: readonly string[]): Promise<void> {
  if (end.merged !== null) await writeOut(end.merged);
  if (end.truncated) say("rexec: the output was longer than a result can carry, and is cut here");
  if (end.timedOut) say("rexec: the time was up, and the command was killed");
  if (end.leftOpen) {
    say("rexec: a process that the command left still holds its output: what it prints from here on is lost");
    say("rexec: --linger TIME waits longer for it, and a process that writes elsewhere is not waited for");
  }
  if (end.basic)
    say("rexec: this agent is another make: it ignored --timeout, --cwd, --env and stdin, and --linger");
  if (end.neverRan !== null) say(`rexec: ${end.neverRan}`);
  const [only, ...more] = words;
  if (end.exitCode === 127 && more.length === 0 && only && /[\s|;&<>$]/.test(only)) {
    say(`rexec: that was one word; for a line of shell write: -- sh -c '…'`);
  }
}

function jsonOf(end: RunEnd, [stdout, stderr]: Collected, agent: Agent): object {
  return {
    agent: { id: agent.id, name: agent.name },
    command: end.command,
    success: end.success,
    /** False where it never ran, and the exit code is rexec's own. */
    started: end.neverRan === null,
    exit_code: end.exitCode,
    signal: end.signal,
    timed_out: end.timedOut,
    left_open: end.leftOpen,
    truncated: end.truncated || stdout.truncated || stderr.truncated,
    ...(end.durationMs === undefined ? {} : { duration_ms: end.durationMs }),
    ...(end.error === undefined ? {} : { error: end.error }),
    ...(end.merged === null
      ? { ...streamOf("stdout", stdout.bytes), ...streamOf("stderr", stderr.bytes) }
      : { output: end.merged }),
  };
}

/** As text, and where it is no UTF-8 also as what it really is. */
function streamOf(name: string, bytes: Uint8Array): Record<string, string> {
  const text = Buffer.from(bytes).toString("utf8");
  const exact = Buffer.from(text).equals(bytes);
  return exact ? { [name]: text } : { [name]: text, [`${name}_base64`]: bytes.toBase64() };
}
