/** Recordings of the commands of one agent: each over all connections of its viewer. */
import { zstd } from "../../lib/zstd.ts";
import type { Frame, Stream } from "../../protocol/v2/frames.ts";
import { type AskedCommand, commandIdentity } from "../audit/command.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { RecordingSink, SessionRecordings } from "./session-recordings.ts";

/** A command, as its viewer asks for it. */
export interface AskedRun extends AskedCommand {
  run: string;
  shown?: string | undefined;
}

/** How it ended, as far as that is known. */
export interface RunOutcome {
  exit_code?: number | null | undefined;
  signal?: string | null | undefined;
}

/** A recording, and how far each stream is in it. */
interface Recorded {
  readonly sink: RecordingSink;
  /** @see commandIdentity */
  readonly identity: string;
  readonly next: [input: number, output: number, stderr: number];
  /** Ends it where its viewer does not come back. */
  timer: Timer | null;
}

const CODES = ["i", "o", "e"] as const;
/** Of a result that came at once, ms: 250 MB a second. */
const PIECE_BYTES = 256 * 1024;
const PIECE_MS = 1;
/** Most characters of a command in a list. */
const SHOWN_CHARS = 200;

/** Owned by the room. No method throws or waits. */
export class RunRecordings {
  readonly #agentId: string;
  readonly #recordings: SessionRecordings | null;
  readonly #graceMs: number;
  /** By the ids of the commands. */
  readonly #running = new Map<string, Recorded>();

  /** @param recordings null where the gateway records nothing; @param graceMs of a viewer that dropped off */
  constructor(agentId: string, recordings: SessionRecordings | null, graceMs: number) {
    this.#agentId = agentId;
    this.#recordings = recordings;
    this.#graceMs = graceMs;
  }

  /** A viewer asks for a command, or for one again that it has lost. */
  opened({ principal, address }: ConnectionInfo, asked: AskedRun): void {
    const { run, command, shown = command } = asked;
    const identity = commandIdentity(principal.user.id, asked);
    const known = this.#running.get(run);
    if (known?.timer) clearTimeout(known.timer);
    // Its output begins anew: what was recorded before is another command's.
    if (known && known.identity !== identity) this.ended(run, {});
    else if (known) {
      known.timer = null;
      return;
    }
    const thing = {
      session: run,
      instance: run,
      kind: "run",
      command: shown.slice(0, SHOWN_CHARS),
      cols: 0,
      rows: 0,
    } as const;
    const viewer = { agentId: this.#agentId, principal, address, asks: false };
    const sink = this.#recordings?.begins(thing, viewer);
    if (sink) this.#running.set(run, { sink, identity, next: [0, 0, 0], timer: null });
  }

  has(run: string): boolean {
    return this.#running.has(run);
  }

  /** A frame of either side. */
  frame(run: string, frame: Frame): void {
    const recorded = this.#running.get(run);
    if (!recorded) return;
    const { stream } = frame;
    const next = recorded.next[stream];
    if (frame.kind === "gap") {
      recorded.next[stream] = Math.max(next, frame.to);
      if (frame.to > next) recorded.sink.gap(frame.to - next);
    } else if (frame.kind === "data" || frame.kind === "zstd") {
      const bytes = frame.kind === "data" ? frame.bytes : zstd.decompress(frame.bytes, frame.length);
      if (bytes) this.#take(recorded, stream, frame.offset, bytes);
    }
  }

  /** All that a command printed, in one piece, and its end. It is recorded bit by bit, as fast as the disk takes it. */
  result(run: string, parts: readonly (readonly ["o" | "e", Uint8Array])[], outcome: RunOutcome): void {
    const pieces = parts.flatMap(([code, bytes]) =>
      Array.from({ length: Math.ceil(bytes.length / PIECE_BYTES) }, (_, n) => {
        return [code, bytes.subarray(n * PIECE_BYTES, (n + 1) * PIECE_BYTES)] as const;
      }),
    );
    const next = () => {
      const piece = pieces.shift();
      const recorded = this.#running.get(run);
      if (!piece || !recorded) return this.ended(run, outcome);
      recorded.sink.output(...piece);
      setTimeout(next, PIECE_MS);
    };
    next();
  }

  /** No viewer waits for it any more; one may come back. */
  left(run: string): void {
    const recorded = this.#running.get(run);
    if (recorded) recorded.timer ??= setTimeout(() => this.ended(run, {}), this.#graceMs);
  }

  ended(run: string, { exit_code = null, signal = null }: RunOutcome): void {
    const recorded = this.#running.get(run);
    if (!recorded) return;
    this.#running.delete(run);
    if (recorded.timer) clearTimeout(recorded.timer);
    const isKnown = exit_code !== null || signal !== null;
    recorded.sink.end({ exit_code, signal, interrupted: isKnown ? null : "its viewer left before its end" });
  }

  /** Nothing more will be heard of those that run. */
  close(): void {
    for (const run of [...this.#running.keys()]) this.ended(run, {});
  }

  // --- internal ---

  /** Each byte once: a viewer that comes back is sent some again. */
  #take(recorded: Recorded, stream: Stream, offset: number, bytes: Uint8Array): void {
    const next = recorded.next[stream];
    const end = offset + bytes.length;
    if (end <= next) return;
    if (offset > next) recorded.sink.gap(offset - next);
    recorded.next[stream] = end;
    recorded.sink.output(CODES[stream], offset < next ? bytes.subarray(next - offset) : bytes);
  }
}
