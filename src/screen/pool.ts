/**
 * The worker threads of the screens. A session's output can cost it its own screen, and the thread of others, whose screens
 * are rebuilt; the gateway's own thread never waits.
 */

import type { ScreenAnswer, ScreenTask } from "./task.ts";
import { ScreenLost, ScreenThread, type ThreadLimits } from "./thread.ts";

/** The bounds of a pool; see `DEFAULTS`. */
export interface PoolOptions extends ThreadLimits {
  threads: number;
  /** Another thread starts, up to `threads`, when each has this many. */
  screensPerThread: number;
  /** Bytes of a thread's screens: beyond, the least recently used ones are put to rest. */
  weightBytes: number;
  /** Bytes of all kept snapshots: beyond, the oldest are dropped. */
  keptBytes: number;
  /** A thread without screens ends after this, milliseconds. */
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

/** A screen's place in the pool. Owned by the screen, which leaves the pool with it. */
export interface Place {
  readonly id: number;
  thread: ScreenThread | null;
  /** Why the screen lost its thread and gets no other; null while it may have one. */
  refused: string | null;
  /** Memory is short: put the screen to rest soon. */
  onPressure(): void;
  /** Memory is short: drop the kept snapshot. */
  onForget(): void;
}

/**
 * Threads start when a screen needs one, and take a few screens each. One pool for the gateway, which stops it. A task that
 * exceeds a limit ends its thread: `run` rejects with `ScreenLost`.
 */
export class ScreenPool {
  readonly #options: PoolOptions;
  readonly #threads = new Set<ScreenThread>();
  readonly #places = new Map<number, Place>();
  /** Bytes of kept snapshots, the latest at the end. */
  readonly #kept = new Map<Place, number>();
  #keptBytes = 0;
  #next = 1;
  #idle: Timer | null = null;
  #stopped = false;

  constructor(options: Partial<PoolOptions> = {}) {
    this.#options = { ...DEFAULTS, ...options };
  }

  /** Running threads. */
  get threads(): number {
    return this.#threads.size;
  }

  /** Tasks that wait for their thread. */
  get waiting(): number {
    let sum = 0;
    for (const { waiting } of this.#threads) sum += waiting;
    return sum;
  }

  /** Bytes of all kept snapshots. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** Logs a warning about one session. */
  warn(text: string): void {
    this.#options.warn(text);
  }

  /** A place for a screen, in no thread yet. */
  place(events: Pick<Place, "onPressure" | "onForget">): Place {
    const place = { id: this.#next, thread: null, refused: null, ...events };
    this.#next += 1;
    return place;
  }

  /** Runs a task; `open` assigns a thread, other tasks need the screen's thread. @throws ScreenLost */
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

  /** The screen keeps a snapshot of so many bytes. Beyond the bound the oldest snapshots are dropped. */
  keeps(place: Place, bytes: number): void {
    this.#keptBytes += bytes - (this.#kept.get(place) ?? 0);
    this.#kept.delete(place);
    if (bytes > 0) this.#kept.set(place, bytes);
    for (const [oldest] of this.#kept) {
      if (this.#keptBytes <= this.#options.keptBytes || oldest === place) break;
      oldest.onForget();
    }
  }

  /** The screen's thread has ended between its tasks: rebuild the screen. */
  hasLost({ thread }: Place): boolean {
    return thread?.hasEnded ?? false;
  }

  /** Closes the screen's terminal. */
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

  /** Puts screens to rest, the least recently used first. */
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
