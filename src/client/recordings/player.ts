/** Plays a recording on a terminal: in its own time, faster, from any moment on. */
import type { Clock } from "../../lib/clock.ts";
import type { Segment, SegmentIndex } from "../../protocol/http-recordings.ts";
import { type PlayKey, playKeys } from "./play-keys.ts";

/** What plays, where and how. Times in seconds of the recording. */
export interface PlayerOptions {
  index: SegmentIndex;
  /** A segment of the index, by its number. */
  segment(number: number, signal: AbortSignal): Promise<Segment>;
  /** Resolves once the terminal has taken it. */
  write(text: string): Promise<void>;
  /** What makes an empty screen, whatever was on it. */
  blank(): string;
  from: number;
  /** 2 for twice as fast. */
  speed: number;
  /** Longest silence; null for as it was. */
  idle: number | null;
  clock: Clock;
  signal: AbortSignal;
}

/** A place to play from: its segment and its time. */
interface Spot {
  number: number;
  /** Events before this time are shown at once. */
  time: number;
}

/** Owned by the command. `run` once; `key` at any time. */
export class Player {
  readonly #options: PlayerOptions;
  /** Seconds of the recording. */
  #time: number;
  #paused = false;
  #seek: number | null = null;
  #quit = false;
  /** Ends the wait for the next event. */
  #wake: (() => void) | null = null;

  constructor(options: PlayerOptions) {
    this.#options = options;
    this.#time = Math.min(Math.max(0, options.from), options.index.duration);
  }

  get time(): number {
    return this.#time;
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  /** What was typed. */
  keys(bytes: Uint8Array): void {
    for (const key of playKeys(bytes)) this.#key(key);
  }

  quit(): void {
    this.#key("quit");
  }

  /** @returns true where it came to the end, false where it was left. Throws what `segment` and `write` throw */
  async run(): Promise<boolean> {
    let spot: Spot | null = this.#spotOf(this.#time);
    while (spot && !this.#quit) spot = await this.#play(spot);
    return !this.#quit;
  }

  // --- internal ---

  #key(key: PlayKey): void {
    if (key === "quit") this.#quit = true;
    else if (key === "pause") this.#paused = !this.#paused;
    else {
      const { duration } = this.#options.index;
      this.#seek = Math.min(Math.max(0, (this.#seek ?? this.#time) + key.seconds), duration);
    }
    this.#wake?.();
  }

  /** The segment that has this moment. */
  #spotOf(time: number): Spot {
    const { segments } = this.#options.index;
    const number = segments.findLastIndex(({ start }) => start <= time);
    return { number: Math.max(0, number), time };
  }

  /** @returns where to go on; null at the end */
  async #play({ number, time }: Spot): Promise<Spot | null> {
    const { segment, write, blank, signal, index } = this.#options;
    const { snapshot, events } = await segment(number, signal);
    // A jump into it, or the next one: whose screen is there already.
    const isJump = number === 0 || time > Number.NEGATIVE_INFINITY;
    if (isJump) await write(`${blank()}${snapshot.init}`);
    for (const [at, code, data] of events) {
      if (at > time) {
        const outcome = await this.#until(at);
        if (outcome) return outcome === "quit" ? null : this.#spotOf(outcome.time);
      }
      if (code === "o") await write(data);
    }
    if (number + 1 >= index.segments.length) return null;
    return { number: number + 1, time: Number.NEGATIVE_INFINITY };
  }

  /** Waits for the moment of an event. @returns what came between */
  async #until(at: number): Promise<"quit" | { time: number } | null> {
    const { speed, idle, clock } = this.#options;
    for (;;) {
      if (this.#quit) return "quit";
      if (this.#seek !== null) {
        const time = this.#seek;
        this.#seek = null;
        this.#time = time;
        return { time };
      }
      if (this.#paused) {
        await this.#wait(null);
        continue;
      }
      const left = Math.max(0, at - this.#time);
      const cut = idle === null ? left : Math.min(left, idle);
      if (cut <= 0) return null;
      // Of a silence that is cut only the end is played.
      this.#time = at - cut;
      const started = clock.now();
      await this.#wait((cut / speed) * 1000);
      this.#time = Math.min(at, this.#time + ((clock.now() - started) / 1000) * speed);
      if (at - this.#time < 0.000_5) this.#time = at;
    }
  }

  /** @param ms null for until a key */
  #wait(ms: number | null): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = ms === null ? null : setTimeout(resolve, ms);
    this.#wake = resolve;
    return promise.finally(() => {
      if (timer) clearTimeout(timer);
      this.#wake = null;
    });
  }
}
