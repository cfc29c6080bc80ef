/** Sessions (`attach`): each viewer's channel is an `Attachment` to the mirror of a session. */
import { forEachSafely } from "../../lib/fault.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { AgentLink } from "./agent-link.ts";
import { Attachment } from "./attachment.ts";
import type { ChannelKind, KindHost } from "./channel-kind.ts";
import type { Peer, PeerChannel } from "./peer.ts";

type Attach = Extract<OpenerMessage, { type: "attach" }>;

/** The attachments of all viewers of an agent. Owned by the room. */
export class ShellChannels implements ChannelKind<Attach> {
  readonly #host: KindHost;
  readonly #attachments = new Set<Attachment>();

  constructor(host: KindHost) {
    this.#host = host;
  }

  get isWatched(): boolean {
    return this.#attachments.size > 0;
  }

  /** A viewer has asked the agent for that session, and was not answered yet. */
  isOpening(session: string): boolean {
    for (const attachment of this.#attachments) if (attachment.opening === session) return true;
    return false;
  }

  open(peer: Peer, message: Attach): PeerChannel {
    const host = this.#host;
    const attachment = new Attachment(peer, message, {
      mirror: (info) => {
        queueMicrotask(() => host.opened()); // it is about to join
        return host.mirrorOf(info);
      },
      others: (info) => this.#othersAt(info),
      recordings: host.recordings,
      agentId: host.agentId,
      onGone: (gone) => this.#attachments.delete(gone),
      snapshots: host.snapshots,
      screenEveryMs: host.timings.screenEveryMs,
    });
    const begin = () => {
      this.#attachments.add(attachment);
      host.opened();
      if (host.link) attachment.connect(host.link);
    };
    const { channel, session, create } = message;
    if (!create) begin();
    else {
      host.admit(session, {
        isWanted: () => !attachment.isOver,
        granted: begin,
        refused: (why) =>
          attachment.refused({ type: "refused", channel, code: "too_many_sessions", message: why }),
      });
    }
    return attachment;
  }

  connect(link: AgentLink): void {
    forEachSafely(this.#attachments, (attachment) => attachment.connect(link), this.#host.fault);
  }

  disconnect(): void {
    forEachSafely(this.#attachments, (attachment) => attachment.disconnect(), this.#host.fault);
  }

  /** Nothing: an attachment ends with its viewer. */
  close(): void {}

  // --- internal ---

  /** The viewers that a session has already, for one that is about to join them. */
  #othersAt(info: SessionInfo): readonly ConnectionInfo[] {
    const { readers } = this.#host.mirrorOf(info);
    const here = [...this.#attachments].filter((attachment) => readers.has(attachment));
    return [...here.map(({ connection }) => connection), ...this.#host.otherViewers(info.session)];
  }
}
