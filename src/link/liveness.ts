/**
 * Tells whether the other end still lives: it is pinged, and what hears nothing for long enough is dead. The WebSocket
 * itself never notices: a peer that was cut off without a word raises no event (measured on Bun 1.4.5).
 */
export interface LivenessOptions {
  pingMs: number;
  deadMs: number;
  ping(): void;
  /** Called once. */
  dead(silentMs: number): void;
}

/** Looks a ping interval. */
const LOOKS = 3;
/** The wall clock ran this much further than the monotonic one: the machine was asleep, ms. */
const SLEPT_MS = 20_000;

export class Liveness {
  readonly #options: LivenessOptions;
  #heardAt = 0;
  #pingedAt = 0;
  #lookedAt = 0;
  #clockGap = 0;
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  start(): void {
    const now = performance.now();
    this.#heardAt = now;
    this.#pingedAt = now;
    this.#lookedAt = now;
    this.#clockGap = Date.now() - now;
    this.#timer = setInterval(() => this.#look(), this.#everyMs);
  }

  /** Something came from the other end. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  stop(): void {
    if (this.#timer) clearInterval(this.#timer);
    this.#timer = null;
  }

  // --- internal ---

  get #everyMs(): number {
    return this.#options.pingMs / LOOKS;
  }

  #look(): void {
    const now = performance.now();
    const late = now - this.#lookedAt > 2 * this.#everyMs + 1_000;
    this.#lookedAt = now;
    const silent = now - this.#heardAt;
    if (this.#hasSlept(now)) {
      // After a suspend the connection is most likely dead: an answer is wanted within one interval, not three.
      this.#heardAt = Math.min(this.#heardAt, now - this.#options.deadMs + this.#options.pingMs);
      this.#ping(now);
      return;
    }
    // A look that comes late says that this process stood still: what came meanwhile is not read yet.
    if (silent >= this.#options.deadMs && !late) {
      this.stop();
      this.#options.dead(silent);
      return;
    }
    if (now - this.#pingedAt >= this.#options.pingMs) this.#ping(now);
  }

  #hasSlept(now: number): boolean {
    const gap = Date.now() - now;
    const slept = gap - this.#clockGap > SLEPT_MS;
    this.#clockGap = gap;
    return slept;
  }

  #ping(now: number): void {
    this.#pingedAt = now;
    this.#options.ping();
  }
}
