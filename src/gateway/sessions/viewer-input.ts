/** A viewer's input on its way to the agent: handed on as it comes, never kept. The viewer resends what was lost. */
import { UNAPPLIED_BYTES } from "../../protocol/limits.ts";
import type { OwnerMessage } from "../../protocol/v2/control.ts";
import { type Frame, Stream } from "../../protocol/v2/frames.ts";
import type { AgentLink, ChannelMessage, LinkChannel } from "./agent-link.ts";

type Attached = Extract<OwnerMessage, { type: "attached" }>;
type Refused = Extract<OwnerMessage, { type: "refused" }>;

/** What the owner of the input is told. */
export interface ViewerInputEvents {
  onAttached(message: Attached): void;
  onRefused(message: Refused): void;
  /** The agent applied input, or takes more. */
  onAck(consumed: number, limit: number): void;
}

/** A viewer's input channel on the agent's leg. Owned by an attachment, over any number of the agent's connections. */
export class ViewerInput implements LinkChannel {
  readonly #events: ViewerInputEvents;
  #link: AgentLink | null = null;
  #channel: number | null = null;
  #live = false;
  /** What the agent waits for: anything behind it was sent before the viewer knew that it has to go back. */
  #next = 0;
  /** What the viewer may send before. */
  #limit = 0;

  constructor(events: ViewerInputEvents) {
    this.#events = events;
  }

  /** @param attach sends the `attach` for this channel */
  open(link: AgentLink, attach: (channel: number) => void): void {
    this.detach();
    this.#link = link;
    this.#channel = link.open(this);
    attach(this.#channel);
  }

  /** The agent is gone; it is not told anything. */
  lost(): void {
    this.#link = null;
    this.#channel = null;
    this.#live = false;
  }

  /** The viewer is gone; the agent is told. Not `close`, which the link calls where the agent is lost. */
  detach(): void {
    if (this.#channel !== null) {
      this.#link?.control({ type: "detach", channel: this.#channel });
      this.#link?.close(this.#channel);
    }
    this.lost();
  }

  /** False where the viewer had no leave to send that. */
  relay(offset: number, bytes: Uint8Array): boolean {
    const end = offset + bytes.length;
    if (end > this.#limit) return this.#limit === 0;
    if (!this.#live || this.#channel === null || offset > this.#next) return true;
    this.#next = Math.max(this.#next, end);
    this.#link?.frame({ kind: "data", stream: Stream.input, channel: this.#channel, offset, bytes });
    return true;
  }

  control(message: ChannelMessage): void {
    if (message.type === "refused") {
      this.#link?.close(this.#channel ?? 0);
      this.lost();
      this.#events.onRefused(message);
    } else if (message.type === "attached") {
      this.#live = true;
      this.#next = message.input;
      this.#limit = Math.max(this.#limit, message.input + UNAPPLIED_BYTES);
      this.#events.onAttached(message);
    }
  }

  frame(frame: Frame): void {
    if (frame.kind !== "ack" || frame.stream !== Stream.input) return;
    this.#limit = Math.max(this.#limit, frame.limit, frame.consumed + UNAPPLIED_BYTES);
    this.#events.onAck(frame.consumed, frame.limit);
  }
}
