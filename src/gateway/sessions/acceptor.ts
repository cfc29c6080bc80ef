/** Connects the sockets that were let in with the rooms of their agents. */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { networkOf } from "../../lib/network-of.ts";
import {
  CLOSE_AGENT_OFFLINE,
  CLOSE_DELETED,
  CLOSE_KICKED,
  CLOSE_POLICY,
  CLOSE_TOO_BIG,
  REASON_ACCESS_ENDED,
} from "../../protocol/close-codes.ts";
import { MAIN_SESSION, splitSessionId } from "../../protocol/ids.ts";
import { VIEWER_MESSAGE_BYTES } from "../../protocol/limits.ts";
import { parseViewerMessage } from "../../protocol/v1-viewer.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { AgentListOf } from "../auth/access.ts";
import type { Connection } from "../sockets/connection.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Timings } from "../timings.ts";
import { fromAgent, fromViewer, input } from "../v1/traffic.ts";
import { Viewer } from "../v1/viewer.ts";
import type { ContainerFeed } from "./container-feed.ts";
import type { Hub } from "./hub.ts";
import type { Peer } from "./peer.ts";
import type { Room } from "./room.ts";
import { Uplink } from "./uplink.ts";

/** What a viewer that speaks rexec.v1 asks for. */
export interface V1ViewerRequest {
  id: string;
  /** A shell of its own instead of the shared one. */
  newSession: boolean;
  /** No shell at all: it only runs commands. */
  execOnly: boolean;
}

/** What the acceptor connects sockets with. */
export interface AcceptorOptions {
  hub: Hub;
  feed: ContainerFeed;
  timings: Timings;
  logger: Logger;
  audit: AuditLog;
}

/**
 * Owns no state: each method makes a connection what its name says, from its opening on. To be called once, before the
 * upgrade. What was decided before may have changed by the time the socket opens: an agent may be offline then.
 */
export class SocketAcceptor {
  readonly #options: AcceptorOptions;

  constructor(options: AcceptorOptions) {
    this.#options = options;
  }

  agent(connection: Connection, agent: AgentRow, v2 = false): void {
    const { hub, logger, audit } = this.#options;
    const { principal, address } = connection.info;
    const uplink = new Uplink(connection, agent.name, logger, v2, agent.ephemeral);
    const name = `agent ${agent.name} (${agent.id})`;
    const say = (kind: string, line: string) =>
      gather(logger, { level: "info", kind: `agent ${kind}`, who: agent.id, ...AGENT_LINES }, line);
    uplink.listen(
      {
        onMessage: (message) => {
          const room = hub.room(agent.id);
          if (room?.uplink !== uplink) return;
          fromAgent(room.v1, message, logger);
          if (message.type === "system_info") hub.agentDescribed(agent, message.data);
        },
        onDrain: () => hub.room(agent.id)?.v1.resumeViewers(),
        onClosed: (code, reason) => {
          hub.agentDisconnected(agent, uplink);
          const seconds = (Date.now() - connection.info.openedAt) / 1_000;
          const details = { seconds, code, reason };
          audit.record({ action: "agent.disconnected", principal, address, agent, details });
          say("disconnects", `${name} disconnected (${describe(code, reason)})`);
        },
      },
      () => {
        hub.connections.opened(connection);
        say("connects", `${name} connected from ${connection.info.address}`);
        hub.agentConnected(agent, uplink);
        const details = { protocol: v2 ? "v2" : "v1" };
        audit.record({ action: "agent.connected", principal, address, agent, details });
      },
    );
  }

  v1Viewer(connection: Connection, agent: AgentRow, request: V1ViewerRequest): void {
    const { hub, timings } = this.#options;
    const viewer = new Viewer(request.id, connection, timings);
    const { name, say } = this.#viewerLog(agent, connection);
    const sessionId = request.newSession ? splitSessionId(request.id) : MAIN_SESSION;
    const room = () => hub.room(agent.id);
    let isIn = false;
    let invalid = 0;
    const countInvalid = (reason: string) => {
      invalid += 1;
      if (invalid === 1) say("nonsense", `${name} sent nonsense: ${reason}`, "warn");
      if (invalid > MAX_INVALID) connection.close(CLOSE_POLICY, "too many messages that make no sense");
    };
    connection.listen({
      onOpen: () => {
        hub.connections.opened(connection, true);
        const here = room();
        if (!here?.uplink) return connection.close(CLOSE_AGENT_OFFLINE, "the agent is offline");
        if (!this.#claim(here, request.id, connection)) return;
        isIn = true;
        say("connects", `${name} connected (${request.execOnly ? "commands only" : sessionId})`);
        here.v1.enter(viewer, request.execOnly ? null : sessionId);
      },
      onText: (text) => {
        const here = room();
        if (!here || !isIn || isTooLarge(connection, text.length)) return;
        const parsed = parseViewerMessage(text);
        if (parsed.ok) fromViewer(here.v1, viewer, parsed.value);
        else if (parsed.problem === "invalid") countInvalid(parsed.reason);
      },
      onBytes: (bytes) => {
        const here = room();
        if (here && isIn && !isTooLarge(connection, bytes.length)) input(here.v1, viewer, bytes);
      },
      onDrain: () => {
        viewer.check(performance.now());
        room()?.v1.updateFlow();
      },
      onRights: () => {
        const { watch, use } = connection.rights;
        if (!use) room()?.controls.lost(viewer.id);
        if (!watch && viewer.sessionId !== null) connection.close(CLOSE_DELETED, REASON_ACCESS_ENDED);
      },
      onClose: (code, reason) => {
        const here = room();
        here?.v1.leave(viewer, GOODBYES.has(code));
        if (FINAL.has(code)) here?.controls.lost(viewer.id);
        if (isIn) here?.viewerIds.release(viewer.id, GOODBYES.has(code), performance.now());
        say("disconnects", `${name} disconnected (${describe(code, reason)})`);
      },
    });
  }

  v2Viewer(connection: Connection, agent: AgentRow, id: string): void {
    const { hub } = this.#options;
    const { name, say } = this.#viewerLog(agent, connection);
    let peer: Peer | null = null;
    connection.listen({
      onOpen: () => {
        hub.connections.opened(connection, true);
        const room = hub.room(agent.id);
        if (!room?.speaksV2) return connection.close(CLOSE_AGENT_OFFLINE, "the agent is offline");
        if (!this.#claim(room, id, connection)) return;
        say("connects", `${name} connected (rexec.v2)`);
        peer = room.peerEntered(id, connection);
      },
      onText: (text) => peer?.text(text),
      onBytes: (bytes) => peer?.bytes(bytes),
      onDrain: () => peer?.drained(),
      onRights: () => peer && hub.room(agent.id)?.rightsChanged(peer),
      onClose: (code, reason) => {
        const room = hub.room(agent.id);
        const isGoodbye = GOODBYES.has(code);
        if (peer) room?.viewerIds.release(id, isGoodbye, performance.now());
        if (peer && FINAL.has(code)) room?.controls.lost(id);
        if (peer) room?.peerLeft(peer, isGoodbye);
        say("disconnects", `${name} disconnected (${describe(code, reason)})`);
      },
    });
  }

  /** A follower of a list of agents. */
  follower(connection: Connection, list: AgentListOf): void {
    this.#options.feed.accept(connection, list, () => this.#options.hub.connections.opened(connection));
  }

  // --- internal ---

  /** False where the viewer's id is another user's: it is closed then. */
  #claim(room: Room, id: string, connection: Connection): boolean {
    if (room.viewerIds.claim(id, connection.info, performance.now())) return true;
    connection.close(CLOSE_POLICY, "another user's viewer has this id");
    return false;
  }

  /** Lines about viewers are gathered: a viewer may come and go as often as it likes. */
  #viewerLog({ id, name }: AgentRow, { info }: Connection) {
    const who = `${id} ${networkOf(info.address)}`;
    const say = (kind: string, line: string, level: keyof Logger = "info") =>
      gather(this.#options.logger, { level, kind: `viewer ${kind}`, who, ...VIEWER_LINES }, line);
    return { name: `viewer of ${name} from ${info.address}`, say };
  }
}

// --- internal ---

/** Close codes of a viewer that will not be back: normal closure, and a plain `close()` (RFC 6455 section 7.4.1). */
const GOODBYES: ReadonlySet<number> = new Set([1000, 1005]);

/** Close codes of ours after which the same viewer may not come back as it was. */
const FINAL: ReadonlySet<number> = new Set([CLOSE_DELETED, CLOSE_KICKED]);

/** Lines of one agent, and of the viewers of one agent from one address, that are logged at once. */
const AGENT_LINES = { atOnce: 3, peers: 1_024 };
const VIEWER_LINES = { atOnce: 5, peers: 256 };

/** Invalid messages of one viewer. */
const MAX_INVALID = 1_000;

function isTooLarge(connection: Connection, length: number): boolean {
  if (length <= VIEWER_MESSAGE_BYTES) return false;
  connection.close(CLOSE_TOO_BIG, `a message may have ${VIEWER_MESSAGE_BYTES} bytes`);
  return true;
}

function describe(code: number, reason: string): string {
  return reason ? `${code}: ${reason}` : String(code);
}
