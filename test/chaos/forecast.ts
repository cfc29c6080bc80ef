/** What will happen to a line, by a seed: pure, so that a failure can be had again. */
import { Prng } from "./prng.ts";

export type Blow =
  /** Every connection ends: with a reset at both ends, or with a FIN as an orderly peer's. */
  | { kind: "cut"; how: "rst" | "fin" }
  /** The connections stay open and nothing comes through them ever again; new ones work. */
  | { kind: "vanish" }
  /** One direction of each connection is closed; the other goes on. */
  | { kind: "halfClose"; of: "near" | "far" }
  /** Nothing passes for a while, then everything. */
  | { kind: "stall"; ms: number }
  /** Nobody can connect, and who is connected is cut. */
  | { kind: "refuse"; ms: number }
  /** Each byte is late by `latencyMs`. */
  | { kind: "delay"; latencyMs: number; ms: number }
  | { kind: "throttle"; bytesPerSecond: number; ms: number }
  /** Each write becomes several, of 1 to `most` bytes. */
  | { kind: "split"; most: number; ms: number };
export type BlowKind = Blow["kind"];
export const KINDS = [
  "cut",
  "vanish",
  "halfClose",
  "refuse",
  "stall",
  "delay",
  "throttle",
  "split",
] as const satisfies readonly BlowKind[];

/** A blow, and when: once so many more bytes have passed, or so many ms, whichever is first. */
export interface Gust {
  afterBytes: number;
  afterMs: number;
  blow: Blow;
}

export interface Climate {
  /** Mean of `afterBytes`. */
  bytes: number;
  /** Mean of `afterMs`. */
  ms: number;
  /** How likely each kind is beside the others. */
  weights: Readonly<Record<BlowKind, number>>;
  /** Longest stall, refusal, … in ms. */
  longestMs: number;
}

/** Mostly cuts, some of everything else. */
export const ROUGH: Climate["weights"] = {
  cut: 80,
  vanish: 1,
  halfClose: 4,
  stall: 4,
  refuse: 2,
  delay: 3,
  throttle: 2,
  split: 4,
};

/** Without an end. The same seed and climate give the same gusts. */
export function* forecast(seed: number, climate: Climate): Generator<Gust, never> {
  const prng = new Prng(seed);
  for (;;) {
    const afterBytes = prng.whole(1, 2 * climate.bytes);
    const afterMs = prng.whole(1, 2 * climate.ms);
    yield { afterBytes, afterMs, blow: blow(prng, climate) };
  }
}

// --- internal ---

const RATES = [10_000, 100_000, 1_000_000] as const;

function blow(prng: Prng, { weights, longestMs }: Climate): Blow {
  const kind = prng.weighted(weights);
  const ms = prng.whole(1, longestMs);
  switch (kind) {
    case "cut":
      return { kind, how: prng.next() < 0.6 ? "rst" : "fin" };
    case "vanish":
      return { kind };
    case "halfClose":
      return { kind, of: prng.next() < 0.5 ? "near" : "far" };
    case "delay":
      return { kind, latencyMs: prng.whole(1, 150), ms };
    case "throttle":
      return { kind, bytesPerSecond: RATES[prng.whole(0, RATES.length - 1)] ?? RATES[0], ms };
    case "split":
      return { kind, most: prng.whole(1, 700), ms };
    default:
      return { kind, ms };
  }
}
