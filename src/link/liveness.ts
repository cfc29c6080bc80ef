/**
 * Tells whether the other end still lives: it is pinged, and a peer that is silent for long enough is dead. No WebSocket
 * notices that by itself: a peer that was cut off without a word raises no event (measured on Bun 1.4.5).
 */

/** How soon silence is noticed, ms. */
export interface LivenessTimes {
  pingMs: number;
  deadMs: number;
  /** Pings only after `pingMs` of silence, instead of every `pingMs`. */
  onlySilent?: boolean;
}

/** The wall clock ran this much further than the monotonic one: the machine was asleep, ms. */
const SLEPT_MS = 20_000;
/** Late looks that excuse one silence: a process that is always late would keep a dead peer for ever. */
const EXCUSES = 5;

/** The decision, without a clock or a socket. Owned by a connection. All times are of one monotonic clock, ms. */
export class Liveness {
  readonly #times: LivenessTimes;
  readonly #everyMs: number;
  #heardAt: number;
  #pingedAt: number;
  #lookedAt: number;
  #clockGap: number | null = null;
  /** Late looks since something was heard. */
  #lateLooks = 0;

  /** @param everyMs how often `look` is going to be called */
  constructor(times: LivenessTimes, everyMs: number, now: number) {
    this.#times = times;
    this.#everyMs = everyMs;
    this.#heardAt = now;
    this.#pingedAt = now;
    this.#lookedAt = now;
  }

  /** When it was last pinged. */
  get pingedAt(): number {
    return this.#pingedAt;
  }

  /** How long it has been silent. */
  silentMs(now: number): number {
    return now - this.#heardAt;
  }

  /** Something came from the other end. */
  heard(now: number): void {
    this.#heardAt = now;
    this.#lateLooks = 0;
  }

  /** It is pinged now, for another reason than silence. */
  pinged(now: number): void {
    this.#pingedAt = now;
  }

  /**
   * What is to be done now.
   * @param isPaused we do not read it: its silence says nothing
   * @param wall Unix ms, where this machine may be suspended
   */
  look(now: number, isPaused = false, wall?: number): "ping" | "dead" | null {
    const { pingMs, deadMs, onlySilent = false } = this.#times;
    const late = now - this.#lookedAt > 2 * this.#everyMs + 1_000;
    this.#lookedAt = now;
    if (late) this.#lateLooks += 1;
    if (wall !== undefined && this.#hasSlept(now, wall)) {
      // After a suspend the connection is most likely dead: an answer is wanted within one interval, not three.
      this.#heardAt = Math.min(this.#heardAt, now - deadMs + pingMs);
      this.#pingedAt = now;
      return "ping";
    }
    const silent = now - this.#heardAt;
    // A look that comes late says that this process stood still: what came meanwhile is not read yet.
    const isExcused = late && this.#lateLooks <= EXCUSES;
    if (silent >= deadMs && !isExcused && !isPaused) return "dead";
    if ((onlySilent && silent < pingMs) || now - this.#pingedAt < pingMs) return null;
    this.#pingedAt = now;
    return "ping";
  }

  // --- internal ---

  #hasSlept(now: number, wall: number): boolean {
    const gap = wall - now;
    const slept = this.#clockGap !== null && gap - this.#clockGap > SLEPT_MS;
    this.#clockGap = gap;
    return slept;
  }
}

/** What a watch of one connection does. */
export interface LivenessActions {
  ping(): void;
  /** Called once; the watch has stopped. */
  dead(silentMs: number): void;
  isPaused?(): boolean;
}

/** Looks per ping interval. */
const LOOKS = 6;

/** `Liveness` with a timer of its own, for the owner of a single connection. Starts at once; `stop` ends it. */
export class LivenessWatch {
  readonly #liveness: Liveness;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(times: LivenessTimes, { ping, dead, isPaused = () => false }: LivenessActions) {
    const everyMs = times.pingMs / LOOKS;
    const liveness = new Liveness(times, everyMs, performance.now());
    this.#liveness = liveness;
    this.#timer = setInterval(() => {
      const now = performance.now();
      const todo = liveness.look(now, isPaused(), Date.now());
      if (todo === "ping") ping();
      if (todo !== "dead") return;
      this.stop();
      dead(liveness.silentMs(now));
    }, everyMs);
  }

  get pingedAt(): number {
    return this.#liveness.pingedAt;
  }

  heard(): void {
    this.#liveness.heard(performance.now());
  }

  pinged(): void {
    this.#liveness.pinged(performance.now());
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
