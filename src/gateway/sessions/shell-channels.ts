/** Sessions (`attach`): each viewer's channel is an `Attachment` to the mirror of a session. */
import { forEachSafely } from "../../lib/fault.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { AgentLink } from "./agent-link.ts";
import { AttachedStay } from "./attached-stay.ts";
import { Attachment } from "./attachment.ts";
import type { ChannelKind, KindHost } from "./channel-kind.ts";
import { InputShifts } from "./input-shift.ts";
import type { Peer, PeerChannel } from "./peer.ts";
import { Typing } from "./typing.ts";
import { ViewerRecording } from "./viewer-recording.ts";

type Attach = Extract<OpenerMessage, { type: "attach" }>;

/** The attachments of all viewers of an agent. Owned by the room. */
export class ShellChannels implements ChannelKind<Attach> {
  readonly #host: KindHost;
  readonly #attachments = new Set<Attachment>();
  readonly #shifts = new InputShifts();

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
    let stay: AttachedStay | null = null;
    const attachment = new Attachment(peer, message, {
      mirror: (attached) => {
        queueMicrotask(() => host.opened()); // it is about to join
        host.controls.entered(attached.info.session, peer.id);
        const mirror = host.mirrorOf(attached.info);
        stay ??= new AttachedStay(host.audit, peer.connection.info, message, attached, mirror);
        return mirror;
      },
      others: (info) => this.#othersAt(info),
      recording: new ViewerRecording(host.recordings, {
        agentId: host.agentId,
        principal: peer.connection.info.principal,
        address: peer.connection.info.address,
        asks: message.record,
      }),
      onGone: (announced) => {
        this.#gone(attachment, peer, announced);
        stay?.end(attachment);
      },
      typing: (session) => this.#typingOf(peer, message.channel, session),
      shifts: this.#shifts,
      control: (mode) => attachment.typing.answered(host.audience.controlBy(peer, attachment.session, mode)),
      snapshots: host.snapshots,
      screenEveryMs: host.timings.screenEveryMs,
    });
    const begin = () => {
      this.#attachments.add(attachment);
      host.opened();
      if (host.link) attachment.connect(host.link);
    };
    const { channel, session, create } = message;
    if (!create || attachment.typing.isReadOnly) begin();
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

  /** The sessions that a viewer is attached to. */
  sessionsOf(peer: Peer): string[] {
    const its = [...this.#attachments].filter((attachment) => attachment.peer === peer);
    return [...new Set(its.map(({ session }) => session))];
  }

  /** Which viewer may type in the session has changed. */
  controlChanged(session: string): void {
    this.#tell((attachment) => attachment.session === session);
  }

  /** What that viewer may do has changed. */
  rightsChanged(peer: Peer): void {
    this.#tell((attachment) => attachment.peer === peer);
  }

  // --- internal ---

  #tell(isMeant: (attachment: Attachment) => boolean): void {
    const meant = [...this.#attachments].filter(isMeant);
    forEachSafely(meant, (attachment) => attachment.accessChanged(), this.#host.fault);
  }

  #gone(gone: Attachment, peer: Peer, announced: boolean): void {
    this.#attachments.delete(gone);
    const { session } = gone;
    if (!this.sessionsOf(peer).includes(session)) this.#host.controls.left(session, peer.id, announced);
  }

  #typingOf(peer: Peer, channel: number, session: () => string): Typing {
    const { controls } = this.#host;
    return new Typing({
      controls,
      viewer: peer.id,
      connection: peer.connection,
      channel,
      session,
      send: (message) => peer.send(message),
      onRefused: (refusal) => this.#host.inputRefused(peer.connection.info, session(), refusal),
    });
  }

  /** The viewers that a session has already, for one that is about to join them. */
  #othersAt(info: SessionInfo): readonly ConnectionInfo[] {
    const { readers } = this.#host.mirrorOf(info);
    const here = [...this.#attachments].filter((attachment) => readers.has(attachment));
    return [...here.map(({ connection }) => connection), ...this.#host.otherViewers(info.session)];
  }
}
