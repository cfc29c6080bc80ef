/**
 * What reads a session's output: a viewer, or a recorder. A mirror has any number of readers, each at a place and a pace
 * of its own, and treats all of them alike.
 */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { TerminalSize } from "../../screen/engine.ts";
import type { Snapshot } from "../../screen/screen.ts";
import type { ByteRing } from "../../stream/byte-ring.ts";
import type { ChannelMessage } from "./agent-link.ts";

/** How a session ended. */
export interface SessionEnd {
  exit_code: number | null;
  signal: string | null;
}

/**
 * What a reader finds when it is told to `advance`. Owned by the mirror. The reader reads `ring` at its own offset. An
 * offset before `ring.start` is a gap: those bytes are gone, and the reader goes on at `ring.start` or with a snapshot.
 */
export interface ReadSource {
  readonly ring: ByteRing;
  readonly info: SessionInfo;
  /** Null while the session runs. Output up to `ring.end` comes before the end. */
  readonly end: SessionEnd | null;
}

/** A reader's place and credit, which a mirror looks at whenever it decides how much output to ask for. Offsets in bytes. */
export interface ReaderPlace {
  /** Its viewer's id: a reader that comes back under the same id takes the place that was kept for it. */
  readonly viewer: string;
  /** False for a reader without a say in the pace: output goes on without it, and it meets gaps. */
  readonly hold: boolean;
  /** The offset up to which it has taken output; null while it waits for its first. */
  readonly sent: number | null;
  readonly consumed: number;
  /** Its credit: the offset up to which it takes output. Null for none: it reads what the other readers bring. */
  readonly limit: number | null;
}

/** A reader of a mirror, from `join` to `leave`. Owned by what joined it. No method may throw or wait. */
export interface Reader extends ReaderPlace {
  /** It is no viewer: no session is kept for it, and no list counts it. */
  readonly isRecorder?: true;
  /** There is something new at its `ReadSource`: bytes, a gap, or the end. */
  advance(): void;
  /** The screen that it asked for; output goes on at `snapshot.offset`. */
  show(snapshot: Snapshot): void;
  /** @param by the viewer whose size the session has now */
  resized(size: TerminalSize, by: string): void;
  /** The agent has no such session any more: nothing follows. */
  refused(message: Extract<ChannelMessage, { type: "refused" }>): void;
  /** The mirror is let go of: nothing follows. Viewers are told by their room. */
  forgotten?(): void;
  /** From now on the session is recorded, or is not. */
  recorded?(on: boolean): void;
}
