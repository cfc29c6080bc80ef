/** A viewer's connection that speaks rexec.v2: its channels, and what is sent to it next. */
import { type Channel, Link } from "../../link/link.ts";
import { type FrameSource, Sender } from "../../link/sender.ts";
import { CLOSE_POLICY, CLOSE_PROTOCOL } from "../../protocol/close-codes.ts";
import { V2_VIEWER_MESSAGE_BYTES } from "../../protocol/limits.ts";
import {
  encodeControl,
  GATEWAY_VIEWER,
  type OpenerMessage,
  type OwnerInput,
  parseOpener,
} from "../../protocol/v2/control.ts";
import { encodeFrame, type Frame, MAX_FRAME_BYTES } from "../../protocol/v2/frames.ts";
import type { Connection } from "../sockets/connection.ts";
import { CONTROL_RATE, RequestRate } from "./request-rate.ts";
import { sharedSession } from "./viewer-name.ts";

/** A viewer's channel, with the output that it has for the viewer. Owned by its `Peer`. */
export interface PeerChannel extends Channel<OpenerMessage>, FrameSource {}

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
/** Answers and frames of commands may wait up to here; the windows of a viewer that reads keep far below it. */
const UNREAD_BYTES = 16 * 1024 * 1024;
/** Messages that make no sense. */
const MAX_INVALID = 1_000;

/** The socket copies a frame before the next is made: a flood leaves no garbage behind. */
const scratch = new Uint8Array(MAX_FRAME_BYTES);

/** The gateway's end of a viewer's rexec.v2 connection. Owned by the room of the viewer's agent. */
export class Peer {
  /** The client's own id. */
  readonly id: string;
  readonly connection: Connection;
  readonly #link: Link<OpenerMessage & { channel?: number }, PeerChannel>;
  readonly #events: PeerEvents;
  readonly #rate = new RequestRate(performance.now());
  readonly #controlRate = new RequestRate(performance.now(), CONTROL_RATE);
  #invalid = 0;
  readonly #sender: Sender;

  constructor(id: string, connection: Connection, events: PeerEvents) {
    this.id = id;
    this.connection = connection;
    this.#events = events;
    this.#link = new Link({
      parse: parseOpener,
      maxText: V2_VIEWER_MESSAGE_BYTES,
      maxFrame: V2_VIEWER_MESSAGE_BYTES,
      take: (message) => this.#take(message),
      invalid: (reason) => this.#countInvalid(reason),
      broken: (reason, code) => this.broken(reason, code),
      fault: (error) => events.onFault(error),
      failed: (number, channel) => {
        this.#sender.forget(channel);
        this.#refuse(number, "failed", "the gateway has a problem of its own with this channel");
      },
    });
    this.#sender = new Sender({ onFault: (error, source) => this.#link.failOf(source, error) });
    this.#sender.attach({
      send: (frame) => (typeof frame === "string" ? connection.send(frame) : connection.sendBytes(frame)),
      get buffered() {
        return connection.buffered;
      },
      get takesOutput() {
        return connection.isOpen;
      },
      highWater: OUTPUT_BYTES,
      drains: true,
      drop: (reason) => this.broken(reason, CLOSE_POLICY),
      fail: (reason, code) => this.broken(reason, code),
    });
  }

  /** Control and acks go at once: ahead of all output that the socket has not been given. */
  send(message: OwnerInput): void {
    if (this.#reads) this.connection.send(encodeControl(message));
  }

  frame(frame: Frame): void {
    if (this.#reads) this.connection.sendBytes(encodeFrame(frame, scratch));
  }

  /** The viewer broke the rules. */
  broken(reason: string, code = CLOSE_PROTOCOL): void {
    this.connection.close(code, reason.slice(0, 100));
  }

  /** The channel is over, by our side's doing; its number may be used again. */
  forget(number: number): void {
    const channel = this.#link.get(number);
    this.#link.forget(number);
    if (channel) this.#sender.forget(channel);
  }

  text(text: string): void {
    this.#link.text(text);
  }

  bytes(bytes: Uint8Array): void {
    this.#link.bytes(bytes);
  }

  /** The channel has output to send: a piece of each channel in turn, while the socket has room. */
  ready(channel: PeerChannel): void {
    this.#sender.ready(channel);
  }

  /** The socket has room again. */
  drained(): void {
    this.#sender.flush();
  }

  /** The connection has ended. */
  closed(): void {
    this.#sender.detach();
    this.#link.lost();
  }

  // --- internal ---

  /** A viewer that asks for more and takes nothing is let go before that costs the memory of all. */
  get #reads(): boolean {
    if (this.connection.buffered <= UNREAD_BYTES) return true;
    this.connection.close(CLOSE_POLICY, "it does not read what it asked for");
    return false;
  }

  #take(message: OpenerMessage): boolean {
    switch (message.type) {
      case "attach":
      case "run":
        this.#open(message);
        return true;
      case "kill":
        if (this.#may("use", "end sessions") && this.#isWelcome()) this.#events.onKill(message.session);
        return true;
      case "list":
        if (this.#isWelcome()) this.#events.onList(this);
        return true;
      case "detach":
        this.#detach(message.channel);
        return true;
      case "control":
        if (this.#controlRate.allows(performance.now())) return false;
        this.#refuseControl(message.channel);
        return true;
      case "v1_output":
        return true; // ours to say, to an agent
      default:
        return false;
    }
  }

  #open(message: Extract<OpenerMessage, { type: "attach" | "run" }>): void {
    const { channel } = message;
    if (!this.#isWelcome(channel)) return;
    if (this.#link.get(channel)) this.#refuse(channel, "bad_message", `channel ${channel} is in use`);
    else if (this.#link.size >= MAX_CHANNELS)
      this.#refuse(channel, "too_many_channels", `a connection may have ${MAX_CHANNELS} channels`);
    else if (message.type === "attach" && !this.#isOwn(message.viewer))
      this.#refuse(
        channel,
        "bad_message",
        "viewer is not the id that this connection was opened with (?id=)",
      );
    else if (message.type === "attach") this.#attach(message);
    else if (this.#may("exec", "run commands", channel))
      this.#link.set(channel, this.#events.onOpen(this, message));
  }

  /** By a share a viewer finds the one session, whose name may be another's by now, and starts none. */
  #attach(message: Extract<OpenerMessage, { type: "attach" }>): void {
    const share = sharedSession(this.connection.info.principal);
    const wrong = share && message.session !== share.session ? "this share is for another session" : null;
    const why = this.connection.rights.watch ? wrong : "you may not look at the sessions of this machine";
    if (why) this.#refuse(message.channel, "not_allowed", why);
    else {
      const its = share ? { ...message, create: false, instance: share.instance } : message;
      this.#link.set(message.channel, this.#events.onOpen(this, its));
    }
  }

  /** What only a viewer may do that may use the whole machine. */
  #may(right: "use" | "exec", what: string, channel?: number): boolean {
    const { rights, info } = this.connection;
    if (rights[right] && !sharedSession(info.principal)) return true;
    this.#refuse(channel, "not_allowed", `you may not ${what} on this machine`);
    return false;
  }

  #detach(number: number): void {
    const channel = this.#link.get(number);
    if (channel) this.#sender.forget(channel);
    this.#link.close(number);
  }

  /** The agent counts the input of each viewer by its id: under another viewer's id one would use up the other's offsets. */
  #isOwn(viewer: string): boolean {
    return viewer === this.id && viewer !== GATEWAY_VIEWER;
  }

  #countInvalid(reason: string): void {
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

  /** The channel goes on: `refused` would end it. */
  #refuseControl(channel: number): void {
    const message = "too many changes of control: wait a moment";
    this.send({ type: "input_refused", channel, code: "controlled", message });
    this.connection.pauseUntilRead();
  }

  #refuse(
    channel: number | undefined,
    code: "bad_message" | "too_many_channels" | "failed" | "not_allowed",
    message: string,
  ): void {
    this.send({ type: "refused", ...(channel === undefined ? {} : { channel }), code, message });
    this.connection.pauseUntilRead();
  }
}
