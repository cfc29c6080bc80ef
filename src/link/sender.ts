/**
 * Everything on its way to the peer. Control messages go before output; output is taken from its sources only
 * while the line has room, so that what the network does not take stays where it can be stopped: in the kernel, with
 * the program blocked. Without a line control messages are dropped (they answer a server that is gone) and output waits.
 */

import { nextTurn } from "./turn.ts";

/** The way to the peer while there is a connection. Owned by the connection. */
export interface Line {
  send(frame: OutFrame): void;
  /** Output is taken while less than this is buffered, bytes; where it is not the sender's own. */
  readonly highWater?: number;
  /** Control messages that may wait, where it is not the sender's own. */
  readonly maxControl?: number;
  /** Bytes given to `send` that the kernel has not taken. */
  readonly buffered: number;
  /** False where enough output is on its way, wherever it stands. Answers are sent all the same. */
  readonly takesOutput?: boolean;
  /** It carries little: compressing is worth its time. */
  readonly isSlow?: boolean;
  /** To be called when `takesOutput` may have changed, or room come. */
  onRoom?: (() => void) | null;
  /** It calls `onRoom` whenever it has taken what waited. Without it the room is asked for by time. */
  readonly drains?: boolean;
  /** Ends the connection because of `reason`. */
  drop(reason: string): void;
  /** Ends it because the other side broke the contract, with close code 1002 or the one given. */
  fail(reason: string, code?: number): void;
}

/** Text, or bytes of rexec.v2. */
export type OutFrame = string | Uint8Array<ArrayBuffer>;

/** Something with output to send, a frame at a time. */
export interface FrameSource {
  /** Roughly how many bytes it has. */
  readonly pending: number;
  /** The next frame, or null where it has none now. It is sent before another is taken, and may be gone then. */
  takeFrame(): OutFrame | null;
}

/** Bounds of a sender, and where its faults go. */
export interface SenderOptions {
  /** Output is taken while less than this is buffered in the line, bytes. */
  highWater?: number;
  /** Control messages that may wait for a server that does not read; one more and the line is dropped. */
  maxControl?: number;
  /** Told where a source throws. */
  onFault?(error: unknown, source: FrameSource): void;
}

/** Sources with at most this many bytes (an echo, a prompt) go before those with more. */
const SMALL_BYTES = 4 * 1024;
/** After this many small ones in a row it is the turn of the others, whatever their size. */
const SMALL_RUN = 16;
/** Answers that may wait, bytes: those to commands repeat the command. */
const CONTROL_BYTES = 16 * 1024 * 1024;
/** Frames that go out at once within a window, small ones and others; after that they are gathered. */
const WINDOW_MS = 2;
const WINDOW_FRAMES = { small: 3, others: 1 };
/** Output that is worth a frame by itself and is not gathered, bytes. */
const WORTH_SENDING = 48 * 1024;
/** Gathering and waiting for room, ms. Bun's WebSocket has no event for "drained". */
const GATHER_MS = 1;
const POLL_MS = [1, 20] as const;
/** Frames a turn, so that input is read between two turns. */
const FRAMES_A_TURN = 32;

/**
 * The order in which one end sends. Owned by the program's half of the connection; it outlives connections where the
 * sources do (the agent), or lasts as long as one (a viewer's, at the gateway).
 */
export class Sender {
  #line: Line | null = null;
  #control: OutFrame[] = [];
  #controlBytes = 0;
  readonly #urgent = new Set<FrameSource>();
  #owesPong = false;
  readonly #ready = new Set<FrameSource>();
  #timer: ReturnType<typeof setTimeout> | null = null;
  /** Cancels the rest of a flush that was put off to the next turn. */
  #cancelTurn: (() => void) | null = null;
  #poll: number = POLL_MS[0];
  #smallRun = 0;
  #window = { since: 0, small: 0, others: 0 };
  #idle: (() => void)[] = [];
  readonly #highWater: number;
  readonly #maxControl: number;
  readonly #onFault: (error: unknown, source: FrameSource) => void;

  constructor({ highWater = 512 * 1024, maxControl = 1024, onFault = () => {} }: SenderOptions = {}) {
    this.#onFault = onFault;
    this.#highWater = highWater;
    this.#maxControl = maxControl;
  }

  /** The line carries little. */
  get isSlow(): boolean {
    return this.#line?.isSlow ?? false;
  }

  get connected(): boolean {
    return this.#line !== null;
  }

  /** There is a connection: what waited goes out. */
  attach(line: Line): void {
    this.#line = line;
    line.onRoom = () => {
      if (this.#line === line && this.#ready.size > 0) this.flush();
    };
    this.#poll = POLL_MS[0];
    this.flush();
  }

  /** The connection is gone. */
  detach(): void {
    this.#line = null;
    this.#control = [];
    this.#controlBytes = 0;
    this.#urgent.clear();
    this.#owesPong = false;
    this.#cancel();
    this.#settleIdle();
  }

  /** Sends a message ahead of all output. Dropped without a connection. */
  control(frame: OutFrame): void {
    if (!this.#line) return;
    const isFull = this.#control.length >= (this.#line.maxControl ?? this.#maxControl);
    if (isFull || this.#controlBytes > CONTROL_BYTES) {
      this.#line.drop("the server does not read our answers");
      return;
    }
    this.#control.push(frame);
    this.#controlBytes += frame.length;
    this.flush();
  }

  /** Answers a ping. Many pings of a server that does not read get one answer. */
  pong(frame: string): void {
    if (!this.#line || this.#owesPong) return;
    if (this.hasRoom) {
      this.control(frame);
      return;
    }
    this.#owesPong = true;
    this.#pong = frame;
    this.#schedule(this.#poll);
  }

  /** The source has something to send. */
  ready(source: FrameSource): void {
    this.#ready.add(source);
    if (!this.#line) return;
    if (this.#atOnce(source)) this.flush();
    else if (this.#timer === null && this.#cancelTurn === null) this.#schedule(GATHER_MS);
  }

  /** The source has something that goes before all output, such as an ack. */
  urgent(source: FrameSource): void {
    if (!this.#line) return;
    this.#urgent.add(source);
    this.flush();
  }

  /** The source has nothing to send any more. */
  forget(source: FrameSource): void {
    this.#urgent.delete(source);
    this.#ready.delete(source);
  }

  /** Resolves when everything has been taken by the kernel, or there is no connection. */
  drained(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle.push(resolve);
      this.#schedule(this.#poll);
    });
  }

  /** Sends what the line has room for; asks again later where something is left. */
  flush(): void {
    this.#cancel();
    const line = this.#line;
    if (!line) return;
    for (let frames = 0; frames < FRAMES_A_TURN && this.hasRoom; frames += 1) {
      const frame = this.#next();
      if (frame === null) {
        this.#afterLast();
        return;
      }
      line.send(frame);
      this.#poll = POLL_MS[0];
      if (frame.length <= SMALL_BYTES) this.#window.small += 1;
      else this.#window.others += 1;
      if (this.#line !== line) return; // the line ended while it was written to
    }
    if (this.hasRoom) this.#cancelTurn = nextTurn(() => this.flush());
    else this.#waitForRoom();
  }

  // --- internal ---

  #pong = "";

  /** Whether the line takes more now. */
  get hasRoom(): boolean {
    return this.#line !== null && this.#line.buffered < (this.#line.highWater ?? this.#highWater);
  }

  #next(): OutFrame | null {
    if (this.#owesPong) {
      this.#owesPong = false;
      return this.#pong;
    }
    return this.#nextControl() ?? this.#nextUrgent() ?? (this.#takesOutput ? this.#nextOutput() : null);
  }

  #nextControl(): OutFrame | undefined {
    if (this.#control.length === 0) return undefined;
    const frame = this.#control.shift();
    this.#controlBytes -= frame?.length ?? 0;
    return frame;
  }

  get #takesOutput(): boolean {
    return this.#line?.takesOutput ?? true;
  }

  /** A source that throws has nothing to send: the others go on. */
  #frameOf(source: FrameSource): OutFrame | null {
    try {
      return source.takeFrame();
    } catch (error) {
      this.#onFault(error, source);
      return null;
    }
  }

  #nextUrgent(): OutFrame | null {
    if (this.#urgent.size === 0) return null;
    for (const source of this.#urgent) {
      this.#urgent.delete(source);
      const frame = this.#frameOf(source);
      if (frame !== null) return frame;
    }
    return null;
  }

  #nextOutput(): OutFrame | null {
    for (;;) {
      const source = this.#pick();
      if (!source) return null;
      this.#ready.delete(source);
      const frame = this.#frameOf(source);
      if (frame === null) continue;
      if (source.pending > 0) this.#ready.add(source); // behind the others
      return frame;
    }
  }

  /** The first small source, or the one that has waited longest. */
  #pick(): FrameSource | undefined {
    if (this.#ready.size === 0) return undefined;
    if (this.#smallRun < SMALL_RUN) {
      for (const source of this.#ready) {
        if (source.pending > SMALL_BYTES) continue;
        this.#smallRun += 1;
        return source;
      }
    }
    this.#smallRun = 0;
    return this.#ready.values().next().value;
  }

  /** On an idle line at once, so that an echo costs no wait; on a busy one gathered, so that a flood costs less. */
  #atOnce(source: FrameSource): boolean {
    if (!this.#takesOutput) return false;
    if (source.pending >= WORTH_SENDING) return this.hasRoom && this.#cancelTurn === null;
    const now = performance.now();
    if (now - this.#window.since > WINDOW_MS) this.#window = { since: now, small: 0, others: 0 };
    const kind = source.pending <= SMALL_BYTES ? "small" : "others";
    return this.#window[kind] < WINDOW_FRAMES[kind] && this.hasRoom;
  }

  #afterLast(): void {
    if (this.#ready.size > 0 && !this.#takesOutput) this.#waitForRoom();
    if (this.#idle.length === 0) return;
    if (this.#isIdle()) this.#settleIdle();
    else this.#schedule(this.#poll);
  }

  #waitForRoom(): void {
    if (this.#line?.drains) return;
    this.#schedule(this.#poll);
    this.#poll = Math.min(this.#poll * 2, POLL_MS[1]);
  }

  #schedule(ms: number): void {
    this.#timer ??= setTimeout(() => this.flush(), ms);
  }

  #cancel(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#cancelTurn?.();
    this.#timer = null;
    this.#cancelTurn = null;
  }

  #isIdle(): boolean {
    if (!this.#line) return true;
    return (
      this.#control.length === 0 &&
      this.#urgent.size === 0 &&
      !this.#owesPong &&
      this.#ready.size === 0 &&
      this.#line.buffered === 0
    );
  }

  #settleIdle(): void {
    for (const resolve of this.#idle) resolve();
    this.#idle = [];
  }
}
