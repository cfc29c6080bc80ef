/**
 * A channel that the gateway does not interpret: a viewer's is joined to one on the agent's leg. Frames and messages are
 * handed on under the other number, and nothing is kept: both ends resume by themselves, and their windows (1 MiB a
 * stream) bound what is on its way in our sockets.
 */
import { forEachSafely } from "../../lib/fault.ts";
import type { OpenerInput, OpenerMessage, OwnerMessage } from "../../protocol/v2/control.ts";
import type { Frame } from "../../protocol/v2/frames.ts";
import type { RoomAudit } from "../audit/room-audit.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { AgentLink, ChannelMessage } from "./agent-link.ts";
import type { ChannelKind, KindHost } from "./channel-kind.ts";
import type { Peer, PeerChannel } from "./peer.ts";

/**
 * Whether a viewer keeps the rules of one channel. The agent would end its connection over a breach, and so that of all
 * viewers: a breach is noticed here and ends the viewer's own.
 */
export interface ChannelOrder {
  /** The agent has answered; before that the viewer may send no frame. */
  readonly isAttached: boolean;
  attached(message: Extract<OwnerMessage, { type: "attached" }>): void;
  /** A frame on its way to the viewer. */
  fromAgent(frame: Frame): void;
  /** What is wrong with a frame of the viewer's, or null. */
  check(frame: Frame): string | null;
  /** Bytes that passed so far, over all of the viewer's connections. */
  readonly passed: { readonly bytes_in: number; readonly bytes_out: number };
}

/** What is recorded of the channels of one kind. */
export interface RelayRecord<Opening> {
  opened(viewer: ConnectionInfo, opening: Opening): void;
  /** @param end of the messages of the agent, and what passed */
  ended(id: string, end: Readonly<Record<string, string | number | boolean | null>>): void;
  /** The viewer is away, and may come back. */
  left(id: string): void;
}

/** What differs between kinds of relayed channels. */
export interface RelayKind<Opening> {
  /** The same for the channel of a viewer that comes back. */
  id(opening: Opening): string;
  /** As the agent gets it, under the number of its own leg. */
  forAgent(opening: Opening, channel: number): OpenerInput;
  /** Whether the agent gets this message of the viewer's about the channel. */
  passes(message: OpenerMessage): message is Extract<OpenerMessage, { channel: number }>;
  /** The rules of a new channel. */
  order(opening: Opening): ChannelOrder;
  /** As `attached` tells it; left out where the channel is not recorded. */
  isRecorded(opening: Opening): true | undefined;
  record(audit: RoomAudit): RelayRecord<Opening>;
}

/** Why a channel is over: what the agent said, or null where the viewer left it. */
type LastMessage = Extract<OwnerMessage, { type: "ended" | "refused" }> | null;

/** One viewer's channel joined to one of the agent's. Owned by its `Relays`, from its opening to the end of either side. */
export class Relay<Opening extends { channel: number }> implements PeerChannel {
  readonly #peer: Peer;
  readonly #opening: Opening;
  readonly #kind: RelayKind<Opening>;
  readonly #onGone: (relay: Relay<Opening>, announced: boolean, last: LastMessage) => void;
  readonly #order: ChannelOrder;
  #link: AgentLink | null = null;
  #channel = 0;

  /** @param onGone once, unless the agent was lost; not announced: the viewer may come back and resume */
  constructor(
    peer: Peer,
    opening: Opening,
    kind: RelayKind<Opening>,
    onGone: (relay: Relay<Opening>, announced: boolean, last: LastMessage) => void,
  ) {
    this.#peer = peer;
    this.#opening = opening;
    this.#kind = kind;
    this.#onGone = onGone;
    this.#order = kind.order(opening);
  }

  get id(): string {
    return this.#kind.id(this.#opening);
  }

  connect(link: AgentLink): void {
    this.#link = link;
    this.#channel = link.open({
      control: (message) => this.#fromAgent(message),
      frame: (frame) => {
        this.#order.fromAgent(frame);
        this.#peer.frame({ ...frame, channel: this.#opening.channel });
      },
    });
    link.control(this.#kind.forAgent(this.#opening, this.#channel));
  }

  /** The agent is gone: the viewer asks again when it is back. */
  lost(): void {
    this.#link = null;
    const message = "the agent's connection was lost";
    this.#peer.send({ type: "refused", channel: this.#opening.channel, code: "lost", message });
    this.#peer.forget(this.#opening.channel);
  }

  /** Its viewer may not have it any more: the agent ends it. */
  forbid(message: string): void {
    this.#peer.send({ type: "refused", channel: this.#opening.channel, code: "not_allowed", message });
    this.#peer.forget(this.#opening.channel);
    this.close(true);
  }

  get passed(): ChannelOrder["passed"] {
    return this.#order.passed;
  }

  get peer(): Peer {
    return this.#peer;
  }

  /** The viewer is gone for good: the agent need not keep anything for it. */
  detach(): void {
    this.#link?.control({ type: "detach", channel: this.#channel });
    this.#link?.close(this.#channel);
    this.#link = null;
  }

  // --- from the viewer ---

  control(message: OpenerMessage): void {
    if (this.#kind.passes(message)) this.#link?.control({ ...message, channel: this.#channel });
  }

  frame(frame: Frame): void {
    // It may be late, and for what had this channel before.
    if (!this.#order.isAttached) return;
    const wrong = this.#order.check(frame);
    if (wrong !== null) this.#peer.broken(wrong);
    else this.#link?.frame({ ...frame, channel: this.#channel });
  }

  /** It has nothing of its own to send. */
  readonly pending = 0;

  takeFrame(): null {
    return null;
  }

  close(announced: boolean): void {
    if (announced) this.detach();
    else this.#link?.close(this.#channel);
    this.#onGone(this, announced, null);
  }

  // --- internal ---

  #fromAgent(message: ChannelMessage): void {
    const { channel } = this.#opening;
    if (message.type === "attached") {
      this.#order.attached(message);
      this.#peer.send({ ...message, channel, recorded: this.#kind.isRecorded(this.#opening) });
    } else this.#peer.send({ ...message, channel });
    if (message.type !== "ended" && message.type !== "refused") return;
    this.#link?.close(this.#channel);
    this.#link = null;
    this.#peer.forget(channel);
    this.#onGone(this, true, message);
  }
}

/** The relays of one kind, of all viewers of an agent. Owned by the room. */
export class Relays<Opening extends { channel: number }> implements ChannelKind<Opening> {
  readonly #host: KindHost;
  readonly #kind: RelayKind<Opening>;
  readonly #record: RelayRecord<Opening>;
  readonly #relays = new Set<Relay<Opening>>();
  /** Of viewers that dropped off and may be back, by `RelayKind.id`. */
  readonly #detached = new Map<string, { relay: Relay<Opening>; timer: Timer }>();

  constructor(host: KindHost, kind: RelayKind<Opening>) {
    this.#host = host;
    this.#kind = kind;
    this.#record = kind.record(host.audit);
  }

  get isWatched(): boolean {
    return this.#relays.size > 0;
  }

  open(peer: Peer, opening: Opening): PeerChannel {
    const id = this.#kind.id(opening);
    clearTimeout(this.#detached.get(id)?.timer);
    this.#detached.delete(id);
    const relay = new Relay(peer, opening, this.#kind, (gone, announced, last) => {
      this.#relays.delete(gone);
      if (announced) this.#ended(gone, last);
      else this.#keep(gone);
    });
    this.#record.opened(peer.connection.info, opening);
    const { link } = this.#host;
    if (link) {
      this.#relays.add(relay);
      this.#host.opened();
      relay.connect(link);
    } else {
      queueMicrotask(() => relay.lost());
      this.#record.left(id);
    }
    return relay;
  }

  /** Ends all that the viewer has. @param message why */
  forbid(peer: Peer, message: string): void {
    const its = [...this.#relays].filter((relay) => relay.peer === peer);
    forEachSafely(its, (relay) => relay.forbid(message), this.#host.fault);
  }

  /** Nothing: viewers ask again for what they had. */
  connect(): void {}

  disconnect(): void {
    for (const { id } of this.#relays) this.#record.left(id);
    forEachSafely(this.#relays, (relay) => relay.lost(), this.#host.fault);
    this.#relays.clear();
    this.close();
  }

  close(): void {
    for (const { timer } of this.#detached.values()) clearTimeout(timer);
    this.#detached.clear();
  }

  // --- internal ---

  #ended({ id, passed }: Relay<Opening>, last: LastMessage): void {
    if (last?.type === "ended") {
      const { exit_code, signal, timed_out = false, left_open = false } = last;
      const extra = { ...(timed_out ? { timed_out } : {}), ...(left_open ? { left_open } : {}) };
      this.#record.ended(id, { exit_code, signal, ...extra, ...passed });
    } else if (last) this.#record.ended(id, { outcome: "refused", reason: last.message });
    else this.#record.ended(id, { outcome: "abandoned", ...passed });
  }

  /** The agent keeps what runs for a viewer that may come back, and is told when the viewer did not. */
  #keep(relay: Relay<Opening>): void {
    this.#record.left(relay.id);
    if (!this.#host.link) return;
    const timer = setTimeout(() => {
      this.#detached.delete(relay.id);
      relay.detach();
      this.#ended(relay, null);
    }, this.#host.timings.viewerGraceMs);
    this.#detached.set(relay.id, { relay, timer });
  }
}
