/**
 * The end of a rexec.v2 connection that opens channels: the gateway's to an agent, a client's and a browser's to a
 * gateway. The other end (`Link` with `parseOpener`) owns the sessions.
 */
import { CLOSE_PROTOCOL } from "../protocol/close-codes.ts";
import {
  encodeControl,
  type OpenerInput,
  type OwnerMessage,
  parseOwner,
  type SessionInfo,
} from "../protocol/v2/control.ts";
import { encodeFrame, type Frame } from "../protocol/v2/frames.ts";
import { type Channel, Link } from "./link.ts";

/** A control message for a channel. */
export type ChannelMessage = Extract<OwnerMessage, { channel?: number | undefined }>;
/** A channel as its opener has it. */
export type OpenedChannel = Channel<ChannelMessage>;

/** What the owner of the socket gives the link. */
export interface OpenerLine {
  send(frame: string | Uint8Array<ArrayBuffer>): void;
  /** The peer broke the protocol: the connection has to end. @param code of RFC 6455 */
  broken(reason: string, code: number): void;
  /** A message that means nothing to us and harms nothing. */
  invalid(reason: string): void;
  /** A message about no channel: `agent_status`, a refusal of `kill`. */
  message?(message: OwnerMessage): void;
  /** A channel threw. */
  fault(error: unknown): void;
  /** Characters of one message; by default each kind's own bound is all there is. */
  maxText?: number;
}

/** A peer that does not answer `list` for this long has not understood it, milliseconds. */
const LIST_MS = 5_000;
/** Told to a channel of ours that threw, as its end. */
const OWN_FAULT = "the gateway has a problem of its own with this session";

/** Owned by the owner of the socket; one for each connection. */
export class OpenerLink {
  readonly #line: OpenerLine;
  readonly #link: Link<OwnerMessage & { channel?: number | undefined }, OpenedChannel>;
  /** Never used twice, so that what is late for one channel reaches no other. */
  #next: number;
  /** The question that is under way; later askers share its answer. */
  #listing: { answer: Promise<SessionInfo[] | null>; tell(sessions: SessionInfo[] | null): void } | null =
    null;
  #isLost = false;

  /** @param first number of the first channel */
  constructor(line: OpenerLine, first = 1) {
    this.#line = line;
    this.#next = first;
    this.#link = new Link({
      parse: parseOwner,
      maxText: line.maxText,
      take: (message) => this.#take(message),
      invalid: (reason) => line.invalid(reason),
      broken: (reason, code) => this.broken(reason, code),
      fault: (error) => line.fault(error),
      failed: (number, channel) => this.#failed(number, channel),
    });
  }

  /** A channel number for what is going to be opened. */
  open(channel: OpenedChannel): number {
    const number = this.#next;
    this.#next += 1;
    this.#link.set(number, channel);
    return number;
  }

  /** What still comes for this channel is ignored. */
  close(number: number): void {
    this.#link.forget(number);
  }

  /** As `close`, and the peer is told. */
  detach(number: number): void {
    this.close(number);
    this.control({ type: "detach", channel: number });
  }

  control(message: OpenerInput): void {
    this.#line.send(encodeControl(message));
  }

  frame(frame: Frame): void {
    this.#line.send(encodeFrame(frame));
  }

  /** The sessions at the other end; null where it is gone, or silent for 5 s. */
  list(): Promise<SessionInfo[] | null> {
    if (this.#isLost) return Promise.resolve(null);
    if (this.#listing) return this.#listing.answer;
    const { promise: answer, resolve } = Promise.withResolvers<SessionInfo[] | null>();
    const tell = (sessions: SessionInfo[] | null) => {
      clearTimeout(timer);
      this.#listing = null;
      resolve(sessions);
    };
    const timer = setTimeout(() => tell(null), LIST_MS);
    this.#listing = { answer, tell };
    this.control({ type: "list" });
    return answer;
  }

  /** A text frame. @returns false where it is no message of rexec.v2 that this version knows */
  text(text: string): boolean {
    return this.#link.text(text);
  }

  bytes(bytes: Uint8Array): void {
    this.#link.bytes(bytes);
  }

  /** The peer does what no peer does: a bug, not weather. It may come back and resume. */
  broken(reason: string, code = CLOSE_PROTOCOL): void {
    this.#line.broken(reason, code);
  }

  /** The connection has ended. */
  lost(): void {
    this.#isLost = true;
    this.#link.lost();
    this.#listing?.tell(null);
  }

  // --- internal ---

  #take(message: OwnerMessage): boolean {
    if (message.type === "sessions") this.#listing?.tell(message.sessions);
    else if ("channel" in message && message.channel !== undefined) return false;
    else this.#line.message?.(message);
    return true;
  }

  /** A channel that threw is over at both ends. */
  #failed(number: number, channel: OpenedChannel): void {
    this.control({ type: "detach", channel: number });
    try {
      channel.control({ type: "refused", channel: number, code: "failed", message: OWN_FAULT });
    } catch (again) {
      this.#line.fault(again);
    }
  }
}
