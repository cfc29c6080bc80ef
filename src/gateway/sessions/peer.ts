/** A viewer's connection that speaks rexec.v2: its channels, and what is sent to it next. */
import { forEachSafely } from "../../lib/fault.ts";
import { CLOSE_POLICY, CLOSE_PROTOCOL, CLOSE_TOO_BIG } from "../../protocol/close-codes.ts";
import { V2_VIEWER_MESSAGE_BYTES } from "../../protocol/limits.ts";
import {
  encodeControl,
  GATEWAY_VIEWER,
  type OpenerMessage,
  type OwnerInput,
  parseOpener,
} from "../../protocol/v2/control.ts";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  MAX_DATA_BYTES,
  MAX_FRAME_BYTES,
} from "../../protocol/v2/frames.ts";
import type { Connection } from "../sockets/connection.ts";
import { RequestRate } from "./request-rate.ts";

/** A viewer's channel; none of these may throw or wait. */
export interface PeerChannel {
  control(message: OpenerMessage): void;
  /** Payloads are views into the socket's buffer: whoever keeps one copies it. */
  frame(frame: Frame): void;
  /** Sends the next piece of output; false where there is none that may be sent. */
  sendPiece(): boolean;
  /** It is over. @param announced whether the viewer said so; otherwise it may be back soon */
  left(announced: boolean): void;
}

/** What is not about a channel that exists. */
export interface PeerEvents {
  /** `attach` or `run`: what the channel is from now on. */
  onOpen(peer: Peer, message: Extract<OpenerMessage, { type: "attach" | "run" }>): PeerChannel;
  onKill(session: string): void;
  onList(peer: Peer): void;
  /** A channel threw: it is over then. */
  onFault(error: unknown): void;
}

/** Output is handed to the socket while less than this waits in it. */
const OUTPUT_BYTES = 128 * 1024;
/** Of a viewer: the agent's connection has 1,024 for all of them. */
const MAX_CHANNELS = 64;
/** Answers and frames of commands may wait up to here; their windows keep far below it who reads at all. */
const UNREAD_BYTES = 16 * 1024 * 1024;
/** Messages that make no sense. */
const MAX_INVALID = 1_000;

/** The socket copies a frame before the next is made: a flood leaves no garbage behind. */
const scratch = new Uint8Array(MAX_FRAME_BYTES);

export class Peer {
  /** The client's own id. */
  readonly id: string;
  readonly connection: Connection;
  readonly #channels = new Map<number, PeerChannel>();
  readonly #events: PeerEvents;
  readonly #rate = new RequestRate(performance.now());
  #invalid = 0;
  #pumping = false;

  constructor(id: string, connection: Connection, events: PeerEvents) {
    this.id = id;
    this.connection = connection;
    this.#events = events;
  }

  /** Control and acks go at once: ahead of all output that the socket has not been given. */
  send(message: OwnerInput): void {
    if (this.#reads) this.connection.send(encodeControl(message));
  }

  frame(frame: Frame): void {
    if (this.#reads) this.connection.sendBytes(encodeFrame(frame, scratch));
  }

  /** It broke the rules. */
  broken(reason: string): void {
    this.connection.close(CLOSE_PROTOCOL, reason.slice(0, 100));
  }

  /** The channel is over, by our side's doing; its number may be used again. */
  forget(channel: number): void {
    this.#channels.delete(channel);
  }

  text(text: string): void {
    if (this.#isTooLarge(text.length)) return;
    const parsed = parseOpener(text);
    if (parsed.ok) this.#take(parsed.value);
    else if (parsed.problem === "invalid") this.#nonsense(parsed.reason);
  }

  bytes(bytes: Uint8Array): void {
    if (this.#isTooLarge(bytes.length)) return;
    const decoded = decodeFrame(bytes);
    if (decoded.ok) this.#safely(decoded.frame.channel, (channel) => channel.frame(decoded.frame));
    else if (decoded.problem === "invalid") this.broken(decoded.reason);
  }

  /** Sends output, a piece of each channel in turn, until there is no more or the socket has enough. */
  pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    try {
      let busy = true;
      while (busy && this.#hasRoom) {
        busy = false;
        for (const [number, channel] of [...this.#channels]) {
          if (!this.#hasRoom || !this.#safely(number, () => channel.sendPiece())) continue;
          busy = true;
          this.#moveBack(number, channel);
        }
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** The connection has ended. */
  closed(): void {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    forEachSafely(channels, (channel) => channel.left(false), this.#events.onFault);
  }

  // --- internal ---

  #isTooLarge(length: number): boolean {
    if (length <= V2_VIEWER_MESSAGE_BYTES) return false;
    this.connection.close(CLOSE_TOO_BIG, `a message may have ${V2_VIEWER_MESSAGE_BYTES} bytes`);
    return true;
  }

  /** Whoever asks for more and takes nothing is let go before that costs the memory of all. */
  get #reads(): boolean {
    if (this.connection.buffered <= UNREAD_BYTES) return true;
    this.connection.close(CLOSE_POLICY, "it does not read what it asked for");
    return false;
  }

  get #hasRoom(): boolean {
    return this.connection.isOpen && this.connection.buffered < OUTPUT_BYTES;
  }

  /** Whoever was served is the last in the next round, which begins where this one ended. */
  #moveBack(number: number, channel: PeerChannel): void {
    if (this.#channels.size < 2 || !this.#channels.delete(number)) return;
    this.#channels.set(number, channel);
  }

  #take(message: OpenerMessage): void {
    switch (message.type) {
      case "attach":
      case "run":
        this.#open(message);
        break;
      case "kill":
        if (this.#isWelcome()) this.#events.onKill(message.session);
        break;
      case "list":
        if (this.#isWelcome()) this.#events.onList(this);
        break;
      case "detach":
        this.#detach(message.channel);
        break;
      case "v1_output":
        break; // ours to say, to an agent
      default:
        this.#safely(message.channel, (channel) => channel.control(message));
    }
  }

  /** A channel that throws is closed, and the viewer told; its other channels go on. */
  #safely<T>(number: number, work: (channel: PeerChannel) => T): T | undefined {
    const channel = this.#channels.get(number);
    if (!channel) return;
    try {
      return work(channel);
    } catch (error) {
      this.#events.onFault(error);
      this.#refuse(number, "failed", "the gateway has a problem of its own with this channel");
      forEachSafely([number], (each) => this.#detach(each), this.#events.onFault);
    }
  }

  #open(message: Extract<OpenerMessage, { type: "attach" | "run" }>): void {
    const { channel } = message;
    if (!this.#isWelcome(channel)) return;
    if (this.#channels.has(channel)) this.#refuse(channel, "bad_message", `channel ${channel} is in use`);
    else if (this.#channels.size >= MAX_CHANNELS)
      this.#refuse(channel, "too_many_channels", `a connection may have ${MAX_CHANNELS} channels`);
    else if (message.type === "attach" && !this.#isOwn(message.viewer))
      this.#refuse(
        channel,
        "bad_message",
        "viewer is not the id that this connection was opened with (?id=)",
      );
    else this.#channels.set(channel, this.#events.onOpen(this, message));
  }

  /** The agent counts the input of each viewer by its id: under another viewer's id one would use up the other's offsets. */
  #isOwn(viewer: string): boolean {
    return viewer === this.id && viewer !== GATEWAY_VIEWER;
  }

  #detach(number: number): void {
    const channel = this.#channels.get(number);
    this.#channels.delete(number);
    channel?.left(true);
  }

  #nonsense(reason: string): void {
    this.#invalid += 1;
    if (this.#invalid > MAX_INVALID)
      this.connection.close(CLOSE_POLICY, `${MAX_INVALID} messages that make no sense`);
    else this.#refuse(undefined, "bad_message", reason);
  }

  /** Each request is an answer of the agent's, which all viewers share: one that floods it with them is refused. */
  #isWelcome(channel?: number): boolean {
    if (this.#rate.allows(performance.now())) return true;
    this.#refuse(channel, "too_many_channels", "too many requests");
    return false;
  }

  #refuse(
    channel: number | undefined,
    code: "bad_message" | "too_many_channels" | "failed",
    message: string,
  ): void {
    this.send({ type: "refused", ...(channel === undefined ? {} : { channel }), code, message });
    this.connection.holdUntilRead();
  }
}

/** Most bytes of one piece of output. */
export const PIECE_BYTES = MAX_DATA_BYTES;
