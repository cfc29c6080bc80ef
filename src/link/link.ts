/**
 * One end of a rexec.v2 connection, whichever end: its channels by their numbers, and what comes in given to the
 * channel that it is for. Agent, gateway (to both sides), client and browser use it. It owns no socket: its owner hands
 * in what arrived and is told what to do.
 */
import { CLOSE_PROTOCOL, CLOSE_TOO_BIG } from "../protocol/close-codes.ts";
import { type Parsed, parseJson } from "../protocol/parse.ts";
import { decodeFrame, type Frame } from "../protocol/v2/frames.ts";

/** The peer broke the protocol. Thrown by a channel; the link then ends the connection. */
export class ProtocolError extends Error {}

/** What a link has under a channel's number. Called in order; must not wait. May throw a ProtocolError. */
export interface Channel<M> {
  control(message: M): void;
  /** Payloads are views into the socket's buffer, gone when this returns. */
  frame(frame: Frame): void;
  /** @param announced the peer, or the session's end, said so; otherwise the connection was lost and may be resumed */
  close?(announced: boolean): void;
  /** What the sender takes frames from is a part of it. */
  owns?(source: unknown): boolean;
}

/** What the owner of a link decides. */
export interface LinkPolicy<M, C> {
  parse(text: string): Parsed<M>;
  /** A message that may be about the connection as a whole. @returns false where it is for the channel that it names */
  take(message: M): boolean;
  /** A message that breaks the contract, which harms nothing else. */
  invalid(reason: string, channel: number | undefined): void;
  /** The connection has to end. @param code of RFC 6455 */
  broken(reason: string, code: number): void;
  /** A channel threw, which is to be logged. */
  fault(error: unknown): void;
  /** A channel that threw is closed, and the peer to be told. */
  failed(number: number, channel: C): void;
  /** Characters of a text frame, bytes of a binary one. By default the codecs' own bounds are all there is. */
  maxText?: number | undefined;
  maxFrame?: number;
}

/** Owned by the end of one connection, for as long as that lasts. Throws nothing that a channel throws. */
export class Link<M extends { type: string; channel?: number | undefined }, C extends Channel<M>> {
  readonly #policy: LinkPolicy<M, C>;
  readonly #channels = new Map<number, C>();

  constructor(policy: LinkPolicy<M, C>) {
    this.#policy = policy;
  }

  get size(): number {
    return this.#channels.size;
  }

  get(number: number): C | undefined {
    return this.#channels.get(number);
  }

  set(number: number, channel: C): void {
    this.#channels.set(number, channel);
  }

  /** The number is free again; the channel is told nothing. */
  forget(number: number): void {
    this.#channels.delete(number);
  }

  /** Ends a channel, where there is one. */
  close(number: number): void {
    const channel = this.#channels.get(number);
    if (channel) this.#end(number, channel, true);
  }

  /** A text frame. @returns false where it is no message of rexec.v2 that this version knows */
  text(text: string): boolean {
    const { maxText = Number.POSITIVE_INFINITY } = this.#policy;
    if (text.length > maxText) {
      this.#policy.broken(`a message may have ${maxText} bytes`, CLOSE_TOO_BIG);
      return true;
    }
    const parsed = this.#policy.parse(text);
    if (!parsed.ok) {
      if (parsed.problem === "unknown") return false;
      this.#policy.invalid(parsed.reason, channelOf(text));
      return true;
    }
    const message = parsed.value;
    if (this.#policy.take(message) || message.channel === undefined) return true;
    this.run(message.channel, (channel) => channel.control(message));
    return true;
  }

  /** A binary frame. */
  bytes(bytes: Uint8Array): void {
    const { maxFrame = Number.POSITIVE_INFINITY } = this.#policy;
    if (bytes.length > maxFrame) {
      this.#policy.broken(`a message may have ${maxFrame} bytes`, CLOSE_TOO_BIG);
      return;
    }
    const decoded = decodeFrame(bytes);
    if (decoded.ok) this.#frame(decoded.frame);
    else if (decoded.problem === "invalid") this.#policy.broken(decoded.reason, CLOSE_PROTOCOL);
  }

  /** The connection is gone: so are its channels. */
  lost(): void {
    for (const [number, channel] of [...this.#channels]) this.#end(number, channel, false);
  }

  /**
   * Has a channel do something. One that throws is closed, and its owner told; the other channels go on.
   * @returns undefined where there is no such channel, or it threw
   */
  run<T>(number: number, work: (channel: C) => T): T | undefined {
    const channel = this.#channels.get(number);
    if (!channel) return undefined;
    try {
      return work(channel);
    } catch (error) {
      this.#threw(error, number, channel);
      return undefined;
    }
  }

  /** As `run`, without a closure for each frame. */
  #frame(frame: Frame): void {
    const channel = this.#channels.get(frame.channel);
    if (!channel) return;
    try {
      channel.frame(frame);
    } catch (error) {
      this.#threw(error, frame.channel, channel);
    }
  }

  #threw(error: unknown, number: number, channel: C): void {
    if (error instanceof ProtocolError) this.#policy.broken(error.message, CLOSE_PROTOCOL);
    else this.fail(error, number, channel);
  }

  /** A channel, or a part of one, threw while it was asked for a frame. @returns false where there is no such channel */
  failOf(threw: unknown, error: unknown): boolean {
    for (const [number, channel] of this.#channels) {
      if (channel !== threw && !channel.owns?.(threw)) continue;
      this.fail(error, number, channel);
      return true;
    }
    return false;
  }

  /** The channel threw. */
  fail(error: unknown, number: number, channel: C): void {
    this.#policy.fault(error);
    this.#end(number, channel, true);
    this.#policy.failed(number, channel);
  }

  #end(number: number, channel: C, announced: boolean): void {
    this.#channels.delete(number);
    try {
      channel.close?.(announced);
    } catch (error) {
      this.#policy.fault(error);
    }
  }
}

// --- internal ---

/** Of a message that is none of ours, so that its sender may know which of its channels the answer is about. */
function channelOf(text: string): number | undefined {
  const parsed = parseJson(text);
  if (!parsed.ok || typeof parsed.value !== "object" || parsed.value === null) return undefined;
  const channel = "channel" in parsed.value ? parsed.value.channel : undefined;
  return typeof channel === "number" && Number.isSafeInteger(channel) && channel >= 0 ? channel : undefined;
}
