/**
 * Shares the event loop between connections: one read of a socket holds up to 512 KiB, which may be 80,000 messages.
 */

export type Message = string | Uint8Array;

/** What the owner of an intake, its connection, does for it. */
export interface IntakeEvents {
  deliver(message: Message): void;
  /** False while delivery is paused. */
  mayDeliver(): boolean;
  /** True as soon as a message waits: stop reading the socket. False once none does. */
  onBehind(isBehind: boolean): void;
}

/** Messages of one connection in one turn of the event loop, each of `MESSAGE_BYTES` or a part of it. */
const A_TURN = 256;
/** A larger message counts as several: handling takes about a microsecond a KiB. */
const MESSAGE_BYTES = 1024;
/** Fewer are too few to ask for the next turn: an echo costs no wakeup of its own. */
const A_FEW = 16;
/** Messages that are delivered at once when the connection has ended; the rest is dropped. */
const LAST_WORDS = 4_096;

/** Delivers `A_TURN` messages a turn of the event loop. Owned by a connection; one read bounds its queue. */
export class Intake {
  readonly #events: IntakeEvents;
  #queue: Message[] = [];
  #at = 0;
  /** Counted since the turn began, or since one before it with fewer than `A_FEW`. */
  #inTurn = 0;
  #immediate: NodeJS.Immediate | null = null;

  constructor(events: IntakeEvents) {
    this.#events = events;
  }

  get isBehind(): boolean {
    return this.#at < this.#queue.length;
  }

  /** Delivers the message, or queues it; bytes are copied into the queue. */
  push(message: Message): void {
    if (this.isBehind || this.#inTurn >= A_TURN || !this.#events.mayDeliver()) {
      const isFirst = !this.isBehind;
      this.#queue.push(typeof message === "string" ? message : message.slice());
      if (isFirst) this.#events.onBehind(true);
      this.run();
      return;
    }
    this.#count(message);
    if (this.#inTurn >= A_FEW) this.#nextTurn();
    this.#events.deliver(message);
  }

  /** Call it when `mayDeliver` is true again. */
  run(): void {
    if (this.isBehind) this.#nextTurn();
  }

  /** The connection has ended: delivers what came before. */
  end(): void {
    for (let left = LAST_WORDS; left > 0 && this.isBehind; left -= 1) this.#deliverNext();
    this.clear();
  }

  clear(): void {
    this.#queue = [];
    this.#at = 0;
    if (this.#immediate) clearImmediate(this.#immediate);
    this.#immediate = null;
  }

  // --- internal ---

  readonly #begin = () => {
    this.#immediate = null;
    this.#inTurn = 0;
    this.#takeTurn();
  };

  #nextTurn(): void {
    this.#immediate ??= setImmediate(this.#begin);
  }

  #count(message: Message): void {
    this.#inTurn += 1 + Math.floor(message.length / MESSAGE_BYTES);
  }

  #takeTurn(): void {
    if (!this.isBehind) return;
    while (this.isBehind && this.#inTurn < A_TURN && this.#events.mayDeliver()) {
      this.#deliverNext();
    }
    if (!this.isBehind) {
      this.#queue = [];
      this.#at = 0;
      this.#events.onBehind(false);
    }
    if (this.#inTurn > 0 || this.#events.mayDeliver()) this.#nextTurn();
  }

  #deliverNext(): void {
    const message = this.#queue[this.#at];
    this.#at += 1;
    if (message === undefined) return;
    this.#count(message);
    this.#events.deliver(message);
  }
}
