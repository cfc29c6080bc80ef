/** Worker threads of screens, as the pool sees them. */
import type { ScreenAnswer, ScreenTask, ThreadSetup } from "./task.ts";

/** A task was not finished: its thread has ended. */
export class ScreenLost extends Error {
  /** True where this screen was the cause; otherwise it may be rebuilt in another thread. */
  readonly isCause: boolean;

  constructor(reason: string, isCause: boolean) {
    super(reason);
    this.name = "ScreenLost";
    this.isCause = isCause;
  }
}

/** Limits of one thread and its tasks. A thread that exceeds one is ended. */
export interface ThreadLimits {
  /** Time of one task, milliseconds: usually a few, on a small and busy machine a hundred times as many. */
  taskMs: number;
  /** Growth of the process's memory during one task. */
  growthBytes: number;
  /** Heap of one thread; the screen of an ordinary program has about 1 MB. */
  heapBytes: number;
  /** Time to load the thread's program, milliseconds. */
  startMs: number;
}

interface Waiting {
  task: ScreenTask;
  resolve(answer: ScreenAnswer): void;
  reject(error: ScreenLost): void;
}

/** A snapshot takes the whole screen at once, and may take this much longer than a slice of parsing. */
const SNAPSHOT_FACTOR = 3;
/** Interval of the checks during a task. They count turns of our own loop, not time: it may stall too. */
const LOOK_MS = 50;

/**
 * Runs tasks one at a time, each within the limits. Owned by the pool. Once it has ended, pending and later tasks reject with
 * `ScreenLost`.
 */
export class ScreenThread {
  /** Bytes of each of its screens, the last used at the end. */
  readonly weights = new Map<number, number>();
  readonly #worker: Worker;
  readonly #limits: ThreadLimits;
  readonly #onEnd: (thread: ScreenThread, cause: number | null, reason: string) => void;
  #queue: Waiting[] = [];
  #current: Waiting | null = null;
  #isReady = false;
  #ended = false;
  #watch: Timer | null = null;

  /** @param onEnd called once, when the thread and all its screens are gone; `cause` is the screen to blame, if any */
  constructor(
    limits: ThreadLimits,
    onEnd: (thread: ScreenThread, cause: number | null, reason: string) => void,
  ) {
    this.#limits = limits;
    this.#onEnd = onEnd;
    this.#worker = new Worker(workerUrl());
    this.#worker.onmessage = ({ data }: MessageEvent<ScreenAnswer | "ready">) => this.#hear(data);
    this.#worker.onerror = ({ message }) => this.end(`its thread failed: ${message}`, this.#current);
    this.#worker.unref();
    this.#worker.postMessage({ heapBytes: limits.heapBytes } satisfies ThreadSetup);
    this.#startWatch(limits.startMs);
  }

  get hasEnded(): boolean {
    return this.#ended;
  }

  /** Tasks that wait for the one that runs. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** @throws ScreenLost */
  run(task: ScreenTask): Promise<ScreenAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<ScreenAnswer>();
    if (this.#ended) reject(new ScreenLost("its thread has ended", false));
    else {
      this.#queue.push({ task, resolve, reject });
      this.#next();
    }
    return promise;
  }

  /** Ends the thread, even in the middle of a task. */
  end(reason: string, cause: Waiting | null = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#stopWatch();
    this.#worker.terminate();
    const waiting = this.#current ? [this.#current, ...this.#queue] : this.#queue;
    this.#current = null;
    this.#queue = [];
    const screen = cause?.task.screen ?? null;
    for (const { task, reject } of waiting) reject(new ScreenLost(reason, task.screen === screen));
    this.#onEnd(this, screen, reason);
  }

  // --- internal ---

  #hear(data: ScreenAnswer | "ready"): void {
    this.#stopWatch();
    const done = this.#current;
    this.#current = null;
    if (data === "ready") this.#isReady = true;
    else if (done) {
      this.#note(done.task, data);
      done.resolve(data);
      if (data && data.heap > this.#limits.heapBytes) this.#tooLarge();
    }
    this.#next();
  }

  #note(task: ScreenTask, answer: ScreenAnswer): void {
    // A screen that has left meanwhile stays removed.
    if (this.weights.delete(task.screen) && answer) this.weights.set(task.screen, answer.weight);
  }

  /** Blames the largest screen. */
  #tooLarge(): void {
    const [largest] = [...this.weights].sort(([, a], [, b]) => b - a);
    const task = { screen: largest?.[0] ?? -1 };
    this.end("it needs too much memory", { task, resolve: () => {}, reject: () => {} });
  }

  #next(): void {
    if (!this.#isReady || this.#current || this.#ended) return;
    const next = this.#queue.shift();
    if (!next) return;
    this.#current = next;
    const { bytes, snapshot } = next.task;
    this.#startWatch(this.#limits.taskMs * (snapshot ? SNAPSHOT_FACTOR : 1));
    this.#worker.postMessage(next.task, bytes ? [bytes.buffer] : []);
  }

  #startWatch(limitMs: number): void {
    let left = Math.ceil(limitMs / LOOK_MS);
    const most = process.memoryUsage.rss() + this.#limits.growthBytes;
    this.#watch = setInterval(() => {
      left -= 1;
      if (left <= 0) this.end("it took too long", this.#current);
      else if (process.memoryUsage.rss() > most) this.end("it needs too much memory", this.#current);
    }, LOOK_MS);
  }

  #stopWatch(): void {
    if (this.#watch) clearInterval(this.#watch);
    this.#watch = null;
  }
}

// --- internal ---

/** An executable has the worker's program under the path of its source. */
function workerUrl(): string | URL {
  return Bun.isStandaloneExecutable
    ? "/$bunfs/root/src/screen/worker.js"
    : new URL("./worker.ts", import.meta.url);
}
