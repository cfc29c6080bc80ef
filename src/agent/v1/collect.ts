/** Reads a command in this process as an opener reads it over a connection: all of both streams, then the end. */
import type { Run, RunEnd } from "../commands/run.ts";
import type { RunInput } from "../commands/run-input.ts";
import type { RunStream } from "../commands/run-stream.ts";
import type { Capture, StreamName } from "./capture.ts";

/**
 * Gives it its stdin, and what it prints to the capture, in order of arrival.
 * @returns how it ended, once it has ended and its pipes were read. Never rejects.
 */
export function collect(run: Run, stdin: Uint8Array, capture: Capture): Promise<RunEnd> {
  take(run.stdout, "stdout", capture);
  take(run.stderr, "stderr", capture);
  give(run.stdin, stdin);
  return run.over;
}

// --- internal ---

/** A reader that consumes at once: what the capture has no room for is lost, and the command never waits. */
function take(stream: RunStream, name: StreamName, capture: Capture): void {
  const { ring } = stream;
  let at = ring.end;
  stream.onAdvance = () => {
    while (at < ring.end) {
      const bytes = ring.view(at, ring.end - at);
      capture.push(name, bytes);
      at += bytes.length;
    }
    stream.ack(at, Number.MAX_SAFE_INTEGER);
  };
  stream.onAdvance();
}

/** As much at a time as it takes, then the end. */
function give(stdin: RunInput, bytes: Uint8Array): void {
  stdin.onApplied = () => {
    const { accepted, limit } = stdin;
    if (accepted < bytes.length) stdin.data(accepted, bytes.subarray(accepted, limit));
    if (stdin.accepted === bytes.length) stdin.fin(bytes.length);
  };
  stdin.onApplied();
}
