/** What `rexec exec` prints once the command has ended. */

import { exitCodeOf, TIMED_OUT_EXIT } from "../client/run/exit-code.ts";
import type { RunEnd } from "../client/run/run-state.ts";
import type { ExecOutcome } from "../client/v1/run.ts";
import { OWN_FAILURE } from "../lib/errors.ts";
import type { Agent } from "../protocol/http.ts";
import { EXEC_STREAM_BYTES } from "../protocol/limits.ts";
import { say, writeErr, writeJson, writeOut } from "./_output.ts";

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

/** The end of a streamed command as the outcome of one that was waited for. */
export function outcomeOfRun(
  end: RunEnd,
  command: string,
  stdout: Collector,
  stderr: Collector,
): ExecOutcome {
  const { exitCode, signal, timedOut, leftOpen, durationMs, neverRan } = end;
  const code = timedOut ? TIMED_OUT_EXIT : exitCodeOf({ exit_code: exitCode, signal });
  return {
    stdout: stdout.bytes,
    stderr: stderr.bytes,
    exitCode: code ?? OWN_FAILURE,
    neverRan,
    apart: true,
    basic: false,
    result: {
      command,
      output: "",
      success: code === 0,
      signal,
      timed_out: timedOut,
      left_open: leftOpen,
      truncated: stdout.truncated || stderr.truncated,
      duration_ms: durationMs,
      ...(neverRan === null ? {} : { error: neverRan }),
    },
  };
}

/** Prints the result, and what a person should know of it. */
export async function report(
  outcome: ExecOutcome,
  { agent, words, json }: { agent: Agent; words: readonly string[]; json: boolean },
): Promise<void> {
  if (json) return writeJson(jsonOf(outcome, agent));
  await print(outcome, words);
}

// --- internal ---

async function print(outcome: ExecOutcome, words: readonly string[]): Promise<void> {
  const { result } = outcome;
  await Promise.all([writeOut(outcome.stdout), writeErr(outcome.stderr)]);
  if (result.truncated) say("rexec: the output was longer than a result can carry, and is cut here");
  if (result.timed_out) say("rexec: the time was up, and the command was killed");
  if (result.left_open) {
    say("rexec: a process that the command left still holds its output: what it prints from here on is lost");
    say("rexec: --linger TIME waits longer for it, and a process that writes elsewhere is not waited for");
  }
  if (outcome.basic)
    say("rexec: this agent is another make: it ignored --timeout, --cwd, --env and stdin, and --linger");
  if (outcome.neverRan !== null) say(`rexec: ${outcome.neverRan}`);
  const [only, ...more] = words;
  if (outcome.exitCode === 127 && more.length === 0 && only && /[\s|;&<>$]/.test(only)) {
    say(`rexec: that was one word; for a line of shell write: -- sh -c '…'`);
  }
}

function jsonOf(outcome: ExecOutcome, agent: Agent): object {
  const { result } = outcome;
  return {
    agent: { id: agent.id, name: agent.name },
    command: result.command,
    success: result.success,
    /** False where it never ran, and the exit code is rexec's own. */
    started: outcome.neverRan === null,
    exit_code: outcome.exitCode,
    signal: result.signal ?? null,
    timed_out: result.timed_out === true,
    left_open: result.left_open === true,
    truncated: result.truncated === true,
    ...(result.duration_ms === undefined ? {} : { duration_ms: result.duration_ms }),
    ...(result.error === undefined ? {} : { error: result.error }),
    ...(outcome.apart
      ? { ...streamOf("stdout", outcome.stdout), ...streamOf("stderr", outcome.stderr) }
      : { output: result.output }),
  };
}

/** As text, and where it is no UTF-8 also as what it really is. */
function streamOf(name: string, bytes: Uint8Array): Record<string, string> {
  const text = Buffer.from(bytes).toString("utf8");
  const exact = Buffer.from(text).equals(bytes);
  return exact ? { [name]: text } : { [name]: text, [`${name}_base64`]: bytes.toBase64() };
}
