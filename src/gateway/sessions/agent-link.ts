/** The rexec.v2 side of an agent's connection: channels, and what comes in by the channel it is for. */
import { CLOSE_PROTOCOL } from "../../protocol/close-codes.ts";
import {
  encodeControl,
  type OpenerInput,
  type OwnerMessage,
  parseOwner,
  type SessionInfo,
} from "../../protocol/v2/control.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../protocol/v2/frames.ts";
import type { Connection } from "../sockets/connection.ts";

/** A control message that names a channel. */
export type ChannelMessage = Extract<OwnerMessage, { channel?: number | undefined }>;

/** What has a channel on the agent's leg; none may throw or wait. */
export interface LinkChannel {
  control(message: ChannelMessage): void;
  /** Payloads are views into the socket's buffer: whoever keeps one copies it. */
  frame(frame: Frame): void;
}

/** An agent that does not answer `list` for this long has not understood it, milliseconds. */
const LIST_MS = 5_000;

export class AgentLink {
  readonly connection: Connection;
  /** It was seen to take seconds for what a ring holds. */
  isSlow = false;
  readonly #channels = new Map<number, LinkChannel>();
  readonly #nonsense: (reason: string) => void;
  readonly #onFault: (error: unknown) => void;
  /** Never used twice, so that what is late for one channel reaches no other. */
  #next = 1;
  /** The question that is under way: all who ask meanwhile wait for its answer. */
  #listing: { answer: Promise<SessionInfo[] | null>; tell(sessions: SessionInfo[] | null): void } | null =
    null;
  #lost = false;

  /**
   * @param nonsense told of a message that can't be understood
   * @param onFault told where a channel throws: that channel is over then
   */
  constructor(connection: Connection, nonsense: (reason: string) => void, onFault: (error: unknown) => void) {
    this.connection = connection;
    this.#nonsense = nonsense;
    this.#onFault = onFault;
  }

  /** A channel number for what is going to be attached. */
  open(handler: LinkChannel): number {
    const channel = this.#next;
    this.#next += 1;
    this.#channels.set(channel, handler);
    return channel;
  }

  /** What still comes for this channel is ignored. */
  close(channel: number): void {
    this.#channels.delete(channel);
  }

  control(message: OpenerInput): void {
    this.connection.send(encodeControl(message));
  }

  frame(frame: Frame): void {
    this.connection.sendBytes(encodeFrame(frame));
  }

  /** The agent's sessions; null where it is gone, or silent for 5 s. */
  list(): Promise<SessionInfo[] | null> {
    if (this.#lost) return Promise.resolve(null);
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

  /** A text frame that is none of v1's. */
  text(text: string): void {
    const parsed = parseOwner(text);
    if (!parsed.ok) {
      if (parsed.problem === "invalid") this.#nonsense(parsed.reason);
      return;
    }
    const message = parsed.value;
    if (message.type === "sessions") this.#listing?.tell(message.sessions);
    else if ("channel" in message && message.channel !== undefined)
      this.#hand(message.channel, (handler) => handler.control(message));
    // Somebody wanted to end what is not there (any more).
    else if (message.type === "refused" && message.code !== "gone")
      this.#nonsense(`it refused: ${message.message}`);
  }

  bytes(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (decoded.ok) this.#hand(decoded.frame.channel, (handler) => handler.frame(decoded.frame));
    else if (decoded.problem === "invalid") this.broken(decoded.reason);
  }

  /** It does what no agent does: a bug, not weather. It may come back and resume. */
  broken(reason: string): void {
    this.#nonsense(reason);
    this.connection.close(CLOSE_PROTOCOL, reason.slice(0, 100));
  }

  /** The connection has ended: nothing more comes. */
  lost(): void {
    this.#lost = true;
    this.#channels.clear();
    this.#listing?.tell(null);
  }

  // --- internal ---

  /** A channel that throws is over, on both legs; the other channels of the agent go on. */
  #hand(channel: number, give: (handler: LinkChannel) => void): void {
    const handler = this.#channels.get(channel);
    if (!handler) return;
    try {
      give(handler);
    } catch (error) {
      this.#onFault(error);
      this.close(channel);
      this.control({ type: "detach", channel });
      try {
        const message = "the gateway has a problem of its own with this session";
        handler.control({ type: "refused", channel, code: "failed", message });
      } catch (again) {
        this.#onFault(again);
      }
    }
  }
}
