/**
 * What came in on a socket and was not looked at yet. One read of a socket holds up to 512 KiB, which may be 80,000
 * messages: they are dealt with in turns, so that all others have theirs between.
 */

export type Message = string | Uint8Array;

export interface IntakeEvents {
  deliver(message: Message): void;
  /** False while no message is to be dealt with. */
  mayDeliver(): boolean;
  /** True as soon as something waits: the socket is not to be read. False once nothing does. */
  onBehind(isBehind: boolean): void;
}

/** Messages of one connection in one turn of the event loop. */
const A_TURN = 256;
/** Dealt with at once where the connection has ended. */
const LAST_WORDS = 4_096;

export class Intake {
  readonly #events: IntakeEvents;
  #queue: Message[] = [];
  #at = 0;
  #inTurn = 0;
  #immediate: NodeJS.Immediate | null = null;

  constructor(events: IntakeEvents) {
    this.#events = events;
  }

  get isBehind(): boolean {
    return this.#at < this.#queue.length;
  }

  /** Bytes are copied where they have to wait. */
  push(message: Message): void {
    if (this.isBehind || this.#inTurn >= A_TURN || !this.#events.mayDeliver()) {
      const isFirst = !this.isBehind;
      this.#queue.push(typeof message === "string" ? message : message.slice());
      if (isFirst) this.#events.onBehind(true);
      this.run();
      return;
    }
    this.#inTurn += 1;
    if (this.#inTurn === 1) this.#nextTurn();
    this.#events.deliver(message);
  }

  /** To be called when messages may be dealt with again. */
  run(): void {
    if (this.isBehind) this.#nextTurn();
  }

  /** The connection has ended: what came before that is dealt with. */
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

  #nextTurn(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = null;
      this.#inTurn = 0;
      this.#takeTurn();
    });
  }

  #takeTurn(): void {
    if (!this.isBehind) return;
    while (this.isBehind && this.#inTurn < A_TURN && this.#events.mayDeliver()) {
      this.#inTurn += 1;
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
    if (message !== undefined) this.#events.deliver(message);
  }
}
