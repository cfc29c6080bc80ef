/** One thread of screens, seen from outside: a task at a time, each with a limit of time and memory. */
import type { ScreenAnswer, ScreenTask, ThreadSetup } from "./task.ts";

/** Why a task came to no end. */
export class ScreenLost extends Error {
  /** This screen was the cause; otherwise only its thread is gone, and it may be made anew in another one. */
  readonly isCause: boolean;

  constructor(reason: string, isCause: boolean) {
    super(reason);
    this.name = "ScreenLost";
    this.isCause = isCause;
  }
}

export interface ThreadLimits {
  /** One task, which takes some milliseconds; on a small and busy machine a hundred times that. */
  taskMs: number;
  /** What memory of the whole process may grow by during one. */
  growthBytes: number;
  /** What one thread may have; screens of ordinary programs have some 1 MB each. */
  heapBytes: number;
  /** Loading the thread's program. */
  startMs: number;
}

interface Waiting {
  task: ScreenTask;
  resolve(answer: ScreenAnswer): void;
  reject(error: ScreenLost): void;
}

/** A snapshot is made of the whole screen at once, and may take this much longer than what is parsed at once. */
const SNAPSHOT_FACTOR = 3;
/** The limits are looked at this often during a task. Turns of our own loop are counted, not time: it may stall, too. */
const LOOK_MS = 50;

export class ScreenThread {
  /** Its screens, the one that was used last at the end, and how many bytes each has. */
  readonly weights = new Map<number, number>();
  readonly #worker: Worker;
  readonly #limits: ThreadLimits;
  readonly #onEnd: (thread: ScreenThread, cause: number | null, reason: string) => void;
  #queue: Waiting[] = [];
  #current: Waiting | null = null;
  #isReady = false;
  #ended = false;
  #watch: Timer | null = null;

  /** @param onEnd called once: it is gone with all its screens. `cause` is the screen that was to blame, if one was */
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

  /** Ends the thread, in the middle of whatever it does. */
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
    // One that has left meanwhile stays away.
    if (this.weights.delete(task.screen) && answer) this.weights.set(task.screen, answer.weight);
  }

  /** The largest of them is to blame. */
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

/** In an executable the thread's program is a file of its own, under the name of its source. */
function workerUrl(): string | URL {
  return Bun.isStandaloneExecutable
    ? "/$bunfs/root/src/screen/worker.js"
    : new URL("./worker.ts", import.meta.url);
}
