/** All that rexec.v2 has to do with one agent: its sessions' mirrors, and the viewers that speak v2. */
import { forEachSafely, reportFault } from "../../lib/fault.ts";
import type { Logger } from "../../lib/log.ts";
import { CLOSE_RETRY, CLOSE_VIEWER_REPLACED } from "../../protocol/close-codes.ts";
import type { OpenerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import type { ScreenPool } from "../../screen/pool.ts";
import type { Connection, ConnectionInfo } from "../sockets/connection.ts";
import type { Timings } from "../timings.ts";
import type { AgentLink } from "./agent-link.ts";
import { Attachment } from "./attachment.ts";
import { Mirror } from "./mirror.ts";
import { Peer, type PeerChannel } from "./peer.ts";
import type { RingBudget } from "./ring-budget.ts";
import { RunRelay } from "./run-relay.ts";
import type { TerminalSize } from "./screen.ts";
import type { Request, SessionQuota } from "./session-census.ts";
import type { SnapshotBudget } from "./snapshot-budget.ts";

/** What is the same for all agents of a gateway. */
export interface DeskOptions {
  timings: Timings;
  budget: RingBudget;
  /** Lines of a screen's past. */
  scrollback: number;
  /** Where screens are drawn. */
  screens: ScreenPool;
  snapshots: SnapshotBudget;
  logger: Logger;
  /** How many sessions a user may have. */
  sessions: SessionQuota;
}

export interface DeskEvents {
  /** A session's PTY has another size. */
  onSize(session: string, size: TerminalSize): void;
  /** Somebody waits for something of the agent's who did not before. */
  onWatch(): void;
  /** The connections of those who look at it by v1. */
  otherViewers(session: string): readonly ConnectionInfo[];
  /** A viewer wants a session, which may be a new one. */
  admit(session: string, request: Request): void;
}

export class Desk {
  readonly peers = new Set<Peer>();
  readonly #options: DeskOptions;
  readonly #events: DeskEvents;
  readonly #mirrors = new Map<string, Mirror>();
  readonly #attachments = new Set<Attachment>();
  readonly #runs = new Set<RunRelay>();
  /** Commands whose viewer dropped off, by their ids. */
  readonly #abandoned = new Map<string, { relay: RunRelay; timer: Timer }>();
  #link: AgentLink | null = null;

  constructor(options: DeskOptions, events: DeskEvents) {
    this.#options = options;
    this.#events = events;
  }

  get speaksV2(): boolean {
    return this.#link !== null;
  }

  /** Somebody waits for something of the agent's by v2. */
  get isWatched(): boolean {
    return this.#attachments.size > 0 || this.#runs.size > 0;
  }

  /** Somebody looks at that session by v2. */
  watches(session: string): boolean {
    for (const { info, isWatched } of this.#mirrors.values()) {
      if (isWatched && info.session === session) return true;
    }
    return false;
  }

  /** A viewer has asked the agent for that session, and was not answered yet. */
  isOpening(session: string): boolean {
    for (const attachment of this.#attachments) if (attachment.opening === session) return true;
    return false;
  }

  // --- the agent ---

  /** @param link null for an agent that came back with v1: its viewers have to ask again */
  connect(link: AgentLink | null): void {
    this.#link = link;
    if (!link) {
      for (const peer of [...this.peers]) peer.connection.close(CLOSE_RETRY, "the agent speaks rexec.v1 now");
      this.#forgetMirrors();
      return;
    }
    for (const peer of this.peers) peer.send({ type: "agent_status", status: "online" });
    forEachSafely(this.#mirrors.values(), (mirror) => mirror.connect(link), this.#onFault);
    forEachSafely(this.#attachments, (attachment) => attachment.connect(link), this.#onFault);
  }

  disconnect(): void {
    const link = this.#link;
    if (!link) return;
    this.#link = null;
    link.lost();
    for (const peer of this.peers) peer.send({ type: "agent_status", status: "offline" });
    forEachSafely(this.#mirrors.values(), (mirror) => mirror.disconnect(), this.#onFault);
    forEachSafely(this.#attachments, (attachment) => attachment.disconnect(), this.#onFault);
    forEachSafely(this.#runs, (relay) => relay.lost(), this.#onFault);
    this.#runs.clear();
    this.#forgetAbandoned();
  }

  /** The agent's sessions, with who looks at them; null where it does not answer. */
  async list(): Promise<SessionInfo[] | null> {
    const sessions = await (this.#link?.list() ?? null);
    return sessions?.map((info) => ({ ...info, viewers: this.#viewersOf(info) })) ?? null;
  }

  kill(session: string): void {
    this.#link?.control({ type: "kill", session });
  }

  // --- viewers ---

  /** A viewer's socket is there. The same viewer's earlier one makes room. */
  enter(id: string, connection: Connection): Peer {
    for (const earlier of [...this.peers]) {
      if (earlier.id !== id) continue;
      this.leave(earlier);
      earlier.connection.close(CLOSE_VIEWER_REPLACED, "the same viewer connected again");
    }
    const peer = new Peer(id, connection, {
      onOpen: (from, message) =>
        message.type === "attach" ? this.#attach(from, message) : this.#run(from, message),
      onKill: (session) => this.kill(session),
      onList: (from) => void this.#answerList(from).catch(this.#onFault),
      onFault: this.#onFault,
    });
    this.peers.add(peer);
    return peer;
  }

  leave(peer: Peer): void {
    if (this.peers.delete(peer)) peer.closed();
  }

  tick(now: number): void {
    forEachSafely(this.#mirrors.values(), (mirror) => mirror.tick(now), this.#onFault);
    forEachSafely(this.peers, (peer) => peer.drained(), this.#onFault);
  }

  /** Ends everything. */
  close(code: number, reason: string): void {
    for (const peer of [...this.peers]) {
      peer.connection.close(code, reason);
      this.leave(peer);
    }
    this.#forgetMirrors();
    this.#forgetAbandoned();
  }

  // --- internal ---

  readonly #onFault = (error: unknown): void =>
    reportFault(this.#options.logger, "a session of a viewer failed", error);

  #attach(peer: Peer, message: Extract<OpenerMessage, { type: "attach" }>): PeerChannel {
    const attachment = new Attachment(peer, message, {
      mirror: (info) => {
        queueMicrotask(() => this.#events.onWatch()); // it is about to join
        return this.#mirror(info);
      },
      others: (info) => this.#othersAt(info),
      onGone: (gone) => this.#attachments.delete(gone),
      snapshots: this.#options.snapshots,
      screenEveryMs: this.#options.timings.screenEveryMs,
    });
    const begin = () => {
      this.#attachments.add(attachment);
      this.#events.onWatch();
      if (this.#link) attachment.connect(this.#link);
    };
    const { channel, session } = message;
    if (!message.create) begin();
    else {
      this.#events.admit(session, {
        isWanted: () => !attachment.isOver,
        granted: begin,
        refused: (why) =>
          attachment.refused({ type: "refused", channel, code: "too_many_sessions", message: why }),
      });
    }
    return attachment;
  }

  #run(peer: Peer, message: Extract<OpenerMessage, { type: "run" }>): PeerChannel {
    const before = this.#abandoned.get(message.run);
    if (before) clearTimeout(before.timer);
    this.#abandoned.delete(message.run);
    const relay = new RunRelay(peer, message, (gone, announced) => {
      this.#runs.delete(gone);
      if (!announced) this.#abandon(gone);
    });
    if (this.#link) {
      this.#runs.add(relay);
      this.#events.onWatch();
      relay.connect(this.#link);
    } else queueMicrotask(() => relay.lost());
    return relay;
  }

  /** The agent holds the command for a viewer that may come back, and is told when that did not. */
  #abandon(relay: RunRelay): void {
    if (!this.#link) return;
    const timer = setTimeout(() => {
      this.#abandoned.delete(relay.id);
      relay.detach();
    }, this.#options.timings.holdMs);
    this.#abandoned.set(relay.id, { relay, timer });
  }

  #mirror(info: SessionInfo): Mirror {
    const known = this.#mirrors.get(info.instance);
    if (known) return known;
    const { budget } = this.#options;
    const mirror = new Mirror(info, {
      timings: this.#options.timings,
      scrollback: this.#options.scrollback,
      screens: this.#options.screens,
      snapshots: this.#options.snapshots,
      ringBytes: budget.share,
      onSize: (session, size) => this.#events.onSize(session, size),
      onGone: (gone) => {
        budget.remove(gone);
        if (this.#mirrors.get(info.instance) === gone) this.#mirrors.delete(info.instance);
      },
    });
    this.#mirrors.set(info.instance, mirror);
    budget.add(mirror);
    if (this.#link) mirror.connect(this.#link);
    return mirror;
  }

  #viewersOf({ instance, session }: SessionInfo): number {
    return (this.#mirrors.get(instance)?.readers.size ?? 0) + this.#events.otherViewers(session).length;
  }

  /** Who looks at it, for one that is about to. */
  #othersAt({ instance, session }: SessionInfo): readonly ConnectionInfo[] {
    const readers = this.#mirrors.get(instance)?.readers;
    const here = [...this.#attachments].filter((attachment) => readers?.has(attachment));
    return [...here.map(({ connection }) => connection), ...this.#events.otherViewers(session)];
  }

  async #answerList(peer: Peer): Promise<void> {
    const sessions = await this.list();
    if (sessions) peer.send({ type: "sessions", sessions });
    else peer.send({ type: "refused", code: "lost", message: "the agent does not answer" });
  }

  #forgetMirrors(): void {
    for (const mirror of [...this.#mirrors.values()]) mirror.forget();
  }

  #forgetAbandoned(): void {
    for (const { timer } of this.#abandoned.values()) clearTimeout(timer);
    this.#abandoned.clear();
  }
}
