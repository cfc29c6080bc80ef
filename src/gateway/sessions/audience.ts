/** The viewers of one agent, as lists show them, and what may be done about them: close them, or let one alone type. */
import type { RoomAudit } from "../audit/room-audit.ts";
import type { Connection } from "../sockets/connection.ts";
import type { Viewer } from "../v1/viewer.ts";
import type { ControlOutcome, ControlWish, ViewerPresence, ViewerSelection } from "./agent-directory.ts";
import { type Controls, refusalText } from "./control.ts";
import type { Peer } from "./peer.ts";
import { sharedSession, viewerName } from "./viewer-name.ts";

/** One viewer's socket, and the sessions that it looks at. */
interface Watcher {
  readonly id: string;
  readonly connection: Connection;
  readonly protocol: "v1" | "v2";
  readonly sessions: readonly string[];
}

/** What the audience looks at: its room. */
export interface AudienceHost {
  readonly agentId: string;
  readonly audit: Pick<RoomAudit, "byViewer">;
  readonly controls: Controls;
  readonly peers: ReadonlySet<Peer>;
  readonly v1: { readonly viewers: ReadonlySet<Viewer> };
}

/** Owned by the room. */
export class Audience {
  readonly #host: AudienceHost;
  readonly #sessionsOf: (peer: Peer) => string[];

  /** @param sessionsOf the sessions that a v2 viewer is attached to */
  constructor(host: AudienceHost, sessionsOf: (peer: Peer) => string[]) {
    this.#host = host;
    this.#sessionsOf = sessionsOf;
  }

  /** In the order in which they came. */
  list(): ViewerPresence[] {
    return this.#watchers()
      .sort((a, b) => a.connection.info.openedAt - b.connection.info.openedAt)
      .map((watcher) => this.#presenceOf(watcher));
  }

  /** Closes the sockets of those that are meant. @returns whose they were */
  close(selection: ViewerSelection, code: number, reason: string): ViewerPresence[] {
    const meant = this.#watchers().filter((watcher) => isMeant(selection, watcher));
    const closed = meant.map((watcher) => this.#presenceOf(watcher));
    for (const { connection } of meant) connection.close(code, reason);
    return closed;
  }

  /** Lets one viewer of a session type alone, or all its writers again. */
  control(session: string, wish: ControlWish): ControlOutcome {
    const here = this.#watchers().filter(({ sessions }) => sessions.includes(session));
    const holder = this.#host.controls.holderOf(session);
    const isOwn = (viewer: string) =>
      here.some(({ id, connection }) => id === viewer && userIdOf(connection) === wish.userId);
    if (holder && !wish.force && !isOwn(holder.viewer)) return { refused: "controlled", by: holder.name };
    if (wish.mode === "everybody") {
      this.#host.controls.free(session);
      return { holder: null };
    }
    const isNamed = ({ id, connection }: Watcher) =>
      wish.viewer === null ? isOwn(id) && !sharedSession(connection.info.principal) : id === wish.viewer;
    const [taker] = here
      .filter(isNamed)
      .sort((a, b) => b.connection.info.openedAt - a.connection.info.openedAt);
    if (!taker) return { refused: "no_viewer" };
    if (!wish.force && !isOwn(taker.id)) return { refused: "not_yours" };
    if (!taker.connection.rights.use) return { refused: "read_only" };
    const taken = { viewer: taker.id, name: viewerName(taker.connection.info.principal) };
    this.#host.controls.take(session, taken);
    return { holder: taken };
  }

  /** As `control`, asked for by a viewer for itself. @returns why not, in words, or null */
  controlBy({ id, connection }: Peer, session: string, mode: ControlWish["mode"]): string | null {
    const holder = this.#host.controls.holderOf(session);
    if (!connection.rights.use) return refusalText("read_only", null);
    if (mode === "only" && holder?.viewer === id) return null;
    if (mode === "only" && sharedSession(connection.info.principal))
      return "a guest cannot take control, but be given it: rexec control SESSION take --viewer ID";
    if (holder && holder.viewer !== id) return `${holder.name} has control, until it is given back`;
    if (mode === "everybody" && !holder) return null;
    if (mode === "everybody") this.#host.controls.free(session);
    else this.#host.controls.take(session, { viewer: id, name: viewerName(connection.info.principal) });
    this.#host.audit.byViewer(connection.info, {
      action: mode === "only" ? "control.taken" : "control.freed",
      session,
    });
    return null;
  }

  // --- internal ---

  #watchers(): Watcher[] {
    const { peers, v1 } = this.#host;
    const byV1 = [...v1.viewers].map(({ id, connection, sessionId }): Watcher => {
      return { id, connection, protocol: "v1", sessions: sessionId === null ? [] : [sessionId] };
    });
    const byV2 = [...peers].map((peer): Watcher => {
      const { id, connection } = peer;
      return { id, connection, protocol: "v2", sessions: this.#sessionsOf(peer) };
    });
    return [...byV2, ...byV1];
  }

  #presenceOf({ id, connection, protocol, sessions }: Watcher): ViewerPresence {
    const { info, rights } = connection;
    const { credential, user } = info.principal;
    return {
      id,
      agentId: this.#host.agentId,
      userId: user.id,
      user: viewerName(info.principal),
      address: info.address,
      since: new Date(info.openedAt).toISOString(),
      protocol,
      access: rights.use ? "use" : rights.watch ? "view" : "exec",
      sessions,
      controls: this.#host.controls.heldBy(id),
      credentialId: credential.id,
      isShared: credential.kind === "share",
    };
  }
}

// --- internal ---

function userIdOf({ info }: Connection): string {
  return info.principal.user.id;
}

function isMeant({ viewer, userId, session }: ViewerSelection, watcher: Watcher): boolean {
  return (
    (viewer === undefined || watcher.id === viewer) &&
    (userId === undefined || userIdOf(watcher.connection) === userId) &&
    (session === undefined || watcher.sessions.includes(session))
  );
}
