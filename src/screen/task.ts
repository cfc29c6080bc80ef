/** What is asked of a thread that has screens, and what it answers. */
import type { TerminalSize } from "./engine.ts";

/** Done in this order; every part may be left out. */
export interface ScreenTask {
  screen: number;
  /** The screen is new there. */
  open?: { size: TerminalSize; scrollback: number };
  resize?: TerminalSize;
  /** Output is missing before `bytes`. */
  lost?: boolean;
  bytes?: Uint8Array<ArrayBuffer>;
  /** About as many characters are wanted at most. */
  snapshot?: { scrollback: number; limit: number };
  /** It is forgotten. */
  close?: boolean;
}

/** Null where the terminal failed: it is gone then. */
export type ScreenAnswer = {
  /** Bytes at the end of what was written that have no effect yet. */
  openBytes: number;
  isAlternate: boolean;
  /** Bytes of memory that this screen has, and that the whole thread has. */
  weight: number;
  heap: number;
  /** How long it took, milliseconds. */
  ms: number;
  /** Of its bytes the first `drawn` draw; what is behind them sets state. */
  snapshot: (TerminalSize & { bytes: Uint8Array<ArrayBuffer>; drawn: number }) | null;
} | null;

/** The first that a thread is told. It clears up where it has more than that, before it says so. */
export interface ThreadSetup {
  heapBytes: number;
}
