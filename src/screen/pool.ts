/**
 * The threads that have screens: started when the first one is needed, a few screens in each. Whatever a shell prints can
 * take its own screen, and a thread from those beside it, which are made anew; the gateway's own thread never waits.
 */

import type { ScreenAnswer, ScreenTask } from "./task.ts";
import { ScreenLost, ScreenThread, type ThreadLimits } from "./thread.ts";

export interface PoolOptions extends ThreadLimits {
  threads: number;
  /** A further thread is started where each has this many. */
  screensPerThread: number;
  /** Bytes of all screens of a thread: beyond it those that were not used for long are put to rest. */
  weightBytes: number;
  /** Bytes of all screens that are kept as text. */
  keptBytes: number;
  /** A thread without a screen ends after this long, milliseconds. */
  idleMs: number;
  warn(text: string): void;
}

const DEFAULTS: PoolOptions = {
  threads: 2,
  screensPerThread: 16,
  taskMs: 5_000,
  startMs: 30_000,
  growthBytes: 192 * 1024 * 1024,
  heapBytes: 64 * 1024 * 1024,
  weightBytes: 24 * 1024 * 1024,
  keptBytes: 48 * 1024 * 1024,
  idleMs: 30_000,
  warn: () => {},
};

/** A screen's place in the pool. */
export interface Place {
  readonly id: number;
  thread: ScreenThread | null;
  /** Why it has none any more, and gets no other. */
  refused: string | null;
  /** Memory is short: the screen is to be put to rest soon. */
  onPressure(): void;
  /** What is kept of it as text is to be let go of. */
  onForget(): void;
}

export class ScreenPool {
  readonly #options: PoolOptions;
  readonly #threads = new Set<ScreenThread>();
  readonly #places = new Map<number, Place>();
  /** Bytes that are kept of screens, the one that was kept last at the end. */
  readonly #kept = new Map<Place, number>();
  #keptBytes = 0;
  #next = 1;
  #idle: Timer | null = null;
  #stopped = false;

  constructor(options: Partial<PoolOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Threads that run. */
  get threads(): number {
    return this.#threads.size;
  }

  /** Of all screens that are kept as text. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Something that concerns one session only. */
  warn(text: string): void {
    this.#options.warn(text);
  }

  /** A place for a screen, in no thread yet. */
  place(events: Pick<Place, "onPressure" | "onForget">): Place {
    const place = { id: this.#next, thread: null, refused: null, ...events };
    this.#next += 1;
    return place;
  }

  /** The task `open` begins in a thread; the others need one that has the screen. @throws ScreenLost */
  async run(place: Place, task: Omit<ScreenTask, "screen">): Promise<ScreenAnswer> {
    if (this.#stopped) throw new ScreenLost("the gateway stops", false);
    if (place.refused !== null) throw new ScreenLost(place.refused, true);
    if (task.open) this.#enter(place);
    const { thread } = place;
    if (!thread || thread.hasEnded) throw new ScreenLost("its thread has ended", false);
    const answer = await thread.run({ ...task, screen: place.id });
    this.#relieve(thread, place.id);
    return answer;
  }

  /** So many bytes are kept of the screen now. Beyond the bound those go that were kept first. */
  keeps(place: Place, bytes: number): void {
    this.#keptBytes += bytes - (this.#kept.get(place) ?? 0);
    this.#kept.delete(place);
    if (bytes > 0) this.#kept.set(place, bytes);
    for (const [oldest] of this.#kept) {
      if (this.#keptBytes <= this.#options.keptBytes || oldest === place) break;
      oldest.onForget();
    }
  }

  /** Its thread was ended while it did nothing: the screen has to be made anew. */
  hasLost({ thread }: Place): boolean {
    return thread?.hasEnded ?? false;
  }

  /** The screen is of no use any more. */
  leave(place: Place): void {
    const { thread } = place;
    place.thread = null;
    this.#places.delete(place.id);
    if (!thread || thread.hasEnded || !thread.weights.delete(place.id)) return;
    thread.run({ screen: place.id, close: true }).catch(() => {}); // gone with its thread
    this.#endIdle();
  }

  /** Ends all threads. */
  stop(): void {
    this.#stopped = true;
    if (this.#idle) clearTimeout(this.#idle);
    for (const thread of [...this.#threads]) thread.end("the gateway stops");
  }

  // --- internal ---

  #enter(place: Place): void {
    this.leave(place);
    const [least] = [...this.#threads].sort((a, b) => a.weights.size - b.weights.size);
    const { threads, screensPerThread } = this.#options;
    const isFull = least && least.weights.size >= screensPerThread && this.#threads.size < threads;
    place.thread = least && !isFull ? least : this.#start();
    place.thread.weights.set(place.id, 0);
    this.#places.set(place.id, place);
  }

  #start(): ScreenThread {
    const thread = new ScreenThread(this.#options, (ended, cause, reason) => {
      this.#threads.delete(ended);
      const guilty = this.#places.get(cause ?? -1);
      if (guilty) guilty.refused = reason;
      if (guilty) this.#options.warn(`a session has no screen any more: ${reason}`);
    });
    this.#threads.add(thread);
    return thread;
  }

  /** Puts screens to rest, those first that were not used for longest. */
  #relieve({ weights }: ScreenThread, except: number): void {
    let sum = 0;
    for (const weight of weights.values()) sum += weight;
    for (const [id, weight] of weights) {
      if (sum <= this.#options.weightBytes) break;
      if (id === except) continue;
      sum -= weight;
      this.#places.get(id)?.onPressure();
    }
  }

  #endIdle(): void {
    this.#idle ??= setTimeout(() => {
      this.#idle = null;
      for (const thread of this.#threads) if (thread.weights.size === 0) thread.end("it has no screens");
    }, this.#options.idleMs);
    this.#idle.unref();
  }
}
