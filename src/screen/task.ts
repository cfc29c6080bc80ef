/** Messages between the pool and its worker threads. */
import type { TerminalSize } from "./engine.ts";

/** A task for one screen. Its parts are done in this order, and each may be missing. */
export interface ScreenTask {
  screen: number;
  /** Makes the screen's terminal. */
  open?: { size: TerminalSize; scrollback: number };
  resize?: TerminalSize;
  /** Output is missing before `bytes`. */
  lost?: boolean;
  bytes?: Uint8Array<ArrayBuffer>;
  /** `limit` is approximate, characters. */
  snapshot?: { scrollback: number; limit: number };
  /** Disposes of the terminal. */
  close?: boolean;
}

/** The result of a task; null where the terminal threw, and was dropped. */
export type ScreenAnswer = {
  /** See `ScreenEngine`. */
  openBytes: number;
  isAlternate: boolean;
  /** Memory of this screen, and the heap of the whole thread, bytes. */
  weight: number;
  heap: number;
  /** Duration, milliseconds. */
  ms: number;
  /** The first `drawn` bytes draw; the rest sets state. */
  snapshot: (TerminalSize & { bytes: Uint8Array<ArrayBuffer>; drawn: number }) | null;
} | null;

/** The first message to a thread. With a larger heap it collects garbage before it reports its size. */
export interface ThreadSetup {
  heapBytes: number;
}
