/** Word of how much of an input stream was applied: the latest goes out, ahead of all output. */
import { encodeFrame, Stream } from "../../protocol/v2/frames.ts";
import type { Outbox, OutFrame, OutputSource } from "../outbox.ts";

/** What an ack says. */
export interface Applied {
  readonly applied: number;
  readonly limit: number;
}

export class InputAck implements OutputSource {
  readonly #channel: number;
  readonly #outbox: Outbox;
  readonly #input: Applied;
  #told = -1;

  constructor(channel: number, outbox: Outbox, input: Applied) {
    this.#channel = channel;
    this.#outbox = outbox;
    this.#input = input;
  }

  get pending(): number {
    return this.#input.applied > this.#told ? 1 : 0;
  }

  /** It may have changed. */
  changed(): void {
    if (this.pending > 0) this.#outbox.urgent(this);
  }

  takeFrame(): OutFrame | null {
    const { applied, limit } = this.#input;
    if (applied <= this.#told) return null;
    this.#told = applied;
    return encodeFrame({
      kind: "ack",
      stream: Stream.input,
      channel: this.#channel,
      consumed: applied,
      limit,
    });
  }

  close(): void {
    this.#outbox.forget(this);
  }
}
