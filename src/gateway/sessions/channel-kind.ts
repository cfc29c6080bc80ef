/** What a kind of channel is to a room. The kinds themselves are listed in `kinds.ts`. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { SnapshotBudget } from "../../screen/snapshot-budget.ts";
import type { RoomAudit } from "../audit/room-audit.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { Timings } from "../timings.ts";
import type { AgentLink } from "./agent-link.ts";
import type { Audience } from "./audience.ts";
import type { Controls, InputRefusal } from "./control.ts";
import type { Mirror } from "./mirror.ts";
import type { Peer, PeerChannel } from "./peer.ts";
import type { RunRecordings } from "./run-recordings.ts";
import type { Request } from "./session-census.ts";
import type { SessionRecordings } from "./session-recordings.ts";

/** What the channels of one kind may use of their room. */
export interface KindHost {
  readonly agentId: string;
  /** Null where the gateway records nothing. */
  readonly recordings: SessionRecordings | null;
  readonly runRecordings: RunRecordings;
  readonly timings: Timings;
  readonly snapshots: SnapshotBudget;
  /** Which viewers may type. */
  readonly controls: Controls;
  readonly audience: Audience;
  readonly audit: RoomAudit;
  /** Null while the agent is away. */
  readonly link: AgentLink | null;
  /** A channel was opened: the agent has to be read for it. */
  opened(): void;
  /** A viewer wants a session that may be a new one: answers as the quota allows. */
  admit(session: string, request: Request): void;
  mirrorOf(info: SessionInfo): Mirror;
  /** The v1 viewers of a session. */
  otherViewers(session: string): readonly ConnectionInfo[];
  /** A viewer typed where it may not, for the first time. */
  inputRefused(viewer: ConnectionInfo, session: string, refusal: InputRefusal): void;
  /** A channel threw. */
  fault(error: unknown): void;
}

/** All channels of one kind, of all viewers of one agent. Owned by the room. */
export interface ChannelKind<Opening> {
  /** A viewer waits for something of the agent's on such a channel. */
  readonly isWatched: boolean;
  /** @returns what the viewer's channel is from now on */
  open(peer: Peer, opening: Opening): PeerChannel;
  /** The agent is there (again). */
  connect(link: AgentLink): void;
  disconnect(): void;
  /** The room ends; its viewers have left already. */
  close(): void;
}
