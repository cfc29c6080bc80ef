/** A viewer's input on its way to the agent: handed on as it comes, never kept. The viewer resends what was lost. */
import { UNAPPLIED_BYTES } from "../../protocol/limits.ts";
import type { OwnerMessage } from "../../protocol/v2/control.ts";
import { type Frame, Stream } from "../../protocol/v2/frames.ts";
import type { AgentLink, ChannelMessage, LinkChannel } from "./agent-link.ts";
import type { InputShift } from "./input-shift.ts";

type Attached = Extract<OwnerMessage, { type: "attached" }>;
type Refused = Extract<OwnerMessage, { type: "refused" }>;

/** What the owner of the input is told. Offsets are the viewer's. */
export interface ViewerInputEvents {
  /** By how much the viewer's offsets in that session are ahead of the agent's. */
  shiftAt(instance: string): InputShift;
  /** Bytes were dropped: the shift has grown. */
  onShift(shift: InputShift): void;
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
  /** `next` is what the agent waits for: anything behind it was sent before the viewer knew that it has to go back. */
  #shift: InputShift = { told: 0, total: 0, next: 0 };
  /** What the agent has applied, and what the viewer may send before; both by the agent's count. */
  #consumed = 0;
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
    const fresh = this.#freshOf(offset, bytes);
    if (typeof fresh === "boolean") return fresh;
    const at = this.#shift.next;
    this.#shift.next += fresh.length;
    const frame = { kind: "data", stream: Stream.input, offset: at, bytes: fresh } as const;
    this.#link?.frame({ ...frame, channel: this.#channel ?? 0 });
    return true;
  }

  /** As `relay`, but it goes nowhere: the viewer is told that it was taken, since it must not come again. */
  drop(offset: number, bytes: Uint8Array): boolean {
    const fresh = this.#freshOf(offset, bytes);
    if (typeof fresh === "boolean") return fresh;
    this.#shift.total += fresh.length;
    this.#events.onShift(this.#shift);
    this.#tell();
    return true;
  }

  control(message: ChannelMessage): void {
    if (message.type === "refused") {
      this.#link?.close(this.#channel ?? 0);
      this.lost();
      this.#events.onRefused(message);
    } else if (message.type === "attached") this.#attached(message);
  }

  frame(frame: Frame): void {
    if (frame.kind !== "ack" || frame.stream !== Stream.input) return;
    this.#consumed = Math.max(this.#consumed, frame.consumed);
    this.#limit = Math.max(this.#limit, frame.limit, frame.consumed + UNAPPLIED_BYTES);
    this.#tell();
  }

  // --- internal ---

  #attached(message: Attached): void {
    this.#live = true;
    const shift = this.#events.shiftAt(message.info.instance);
    // Where input was lost, the viewer goes back to what it was last told, and all behind it is judged anew.
    if (message.input < shift.next) shift.total = shift.told;
    else shift.told = shift.total;
    shift.next = message.input;
    this.#shift = shift;
    this.#consumed = message.input;
    this.#limit = Math.max(this.#limit, message.input + UNAPPLIED_BYTES);
    this.#events.onAttached({ ...message, input: message.input + shift.told });
  }

  /** The part of a frame that the agent has not been sent, true where there is none, false for one beyond the limit. */
  #freshOf(offset: number, bytes: Uint8Array): Uint8Array | boolean {
    const { total, next } = this.#shift;
    const end = offset + bytes.length;
    if (end > this.#limit + total) return this.#limit === 0;
    const expected = next + total;
    if (!this.#live || this.#channel === null || offset > expected || end <= expected) return true;
    return offset === expected ? bytes : bytes.subarray(expected - offset);
  }

  /** What was dropped counts as taken once all before it was applied: what may still be lost must not be claimed. */
  #tell(): void {
    const shift = this.#shift;
    if (this.#consumed >= shift.next) shift.told = shift.total;
    this.#events.onAck(this.#consumed + shift.told, this.#limit + shift.told);
  }
}
