/** Word of how much of an input stream was applied: the latest goes out, ahead of all output. */

import type { FrameSource, OutFrame, Sender } from "../../link/sender.ts";
import { encodeFrame, Stream } from "../../protocol/v2/frames.ts";

/** So much is told of at once, and less within this time: an echo is not to stand behind the ack of its own key. */
const ACK_BYTES = 16 * 1024;
const ACK_DELAY_MS = 10;

/** What an ack says. */
export interface Applied {
  readonly applied: number;
  readonly limit: number;
}

/** Owned by a channel: the latest ack of its input, ahead of all output. */
export class InputAck implements FrameSource {
  readonly #channel: number;
  readonly #sender: Sender;
  readonly #input: Applied;
  #told = -1;
  #timer: Timer | null = null;

  constructor(channel: number, sender: Sender, input: Applied) {
    this.#channel = channel;
    this.#sender = sender;
    this.#input = input;
  }

  get pending(): number {
    return this.#input.applied > this.#told ? 1 : 0;
  }

  /** It may have changed. */
  changed(): void {
    if (this.#told < 0 || this.#input.applied - this.#told >= ACK_BYTES) this.#tell();
    else if (this.pending > 0) this.#timer ??= setTimeout(() => this.#tell(), ACK_DELAY_MS);
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
    this.#stopTimer();
    this.#sender.forget(this);
  }

  // --- internal ---

  #tell(): void {
    this.#stopTimer();
    if (this.pending > 0) this.#sender.urgent(this);
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }
}
