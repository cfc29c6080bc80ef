/**
 * Between code that wants an agent and the place where the agent's link is, which may be another process. All answers
 * come later, and all values but handles are plain data: an answer may be out of date when it arrives.
 */
import type { AgentStats, SystemInfo } from "../../protocol/v1.ts";
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Recorded } from "./session-recordings.ts";

/** Viewers of one agent, all gateways together. */
export const MAX_VIEWERS = 128;

/** What is known of a connected agent. Times are RFC 3339. */
export interface Presence {
  readonly connectedAt: string;
  readonly lastPing: string;
  /** Shells that run, as far as is known without asking the agent. */
  readonly sessions: number;
  /** Viewers that are connected. */
  readonly viewers: number;
  readonly systemInfo: SystemInfo | null;
  readonly stats: AgentStats | null;
}

/** A viewer that is connected. */
export interface ViewerPresence {
  /** The client's own. */
  readonly id: string;
  readonly agentId: string;
  readonly userId: string;
  /** As other viewers are shown it. */
  readonly user: string;
  readonly address: string;
  /** RFC 3339. */
  readonly since: string;
  readonly protocol: "v1" | "v2";
  /** `view` looks only, `exec` runs commands only. */
  readonly access: "view" | "use" | "exec";
  /** Names of the sessions that it looks at; none for one that only runs commands. */
  readonly sessions: readonly string[];
  /** Those in which it alone may type. */
  readonly controls: readonly string[];
  /** What its socket was opened with. */
  readonly credentialId: string;
  /** It came by a share. */
  readonly isShared: boolean;
}

/** Viewers of an agent: those that fit all that is given. */
export interface ViewerSelection {
  readonly viewer?: string | undefined;
  readonly userId?: string | undefined;
  readonly session?: string | undefined;
}

/** A change of control: which viewer is to type in a session. */
export interface ControlWish {
  readonly mode: "everybody" | "only";
  /** With `only`: the viewer; null for the newest of the user's own. */
  readonly viewer: string | null;
  /** The user that asks. */
  readonly userId: string;
  /** Also where another user's viewer has control, and for another user's viewer. */
  readonly force: boolean;
}

/** The viewer that types from now on (null: every writer), or why nothing was changed. */
export type ControlOutcome =
  | { readonly holder: { readonly viewer: string; readonly name: string } | null }
  | { readonly refused: "controlled"; readonly by: string }
  | { readonly refused: "no_viewer" | "not_yours" | "read_only" };

/** A connected agent. It outlives the agent's link: calls then do nothing, and `sessions` resolves to null. */
export interface AgentHandle {
  /** As of the moment when the directory was asked. */
  readonly presence: Presence;
  /** Sessions of all kinds; an agent that speaks rexec.v2 is asked. Null where it does not answer within 5 s. */
  sessions(): Promise<SessionInfo[] | null>;
  /** Tells the agent to end a session. */
  kill(session: string): Promise<void>;
  /** Records a session from now on. */
  record(session: string, viewer: Recorded): Promise<"started" | "missing" | "refused">;
  stopRecording(session: string): Promise<"stopped" | "missing" | "refused">;
  /** Tells the agent to end all its shells. */
  stopShells(): Promise<void>;
  /** Lets one viewer of a session type alone, or all its writers again. Null once the agent is away. */
  control(session: string, wish: ControlWish): Promise<ControlOutcome | null>;
}

/** A viewer's place at an agent, counted against all limits. Dispose of it once the viewer's socket is open or refused. */
export interface ViewerSeat extends Disposable {
  /** What the agent speaks, null once it is offline. It follows the agent: read it when the socket is opened. */
  readonly protocol: "v1" | "v2" | null;
}

/** A viewer that is about to open a socket. */
export interface SeatRequest {
  readonly agentId: string;
  readonly userId: string;
  /** Viewers that the user may have on all agents. */
  readonly userLimit: number;
  /** With a limit of its own: a share. */
  readonly credential?: { readonly id: string; readonly limit: number } | undefined;
}

/** Why there is no seat. */
export type SeatRefusal = "offline" | "agent_full" | "user_full" | "share_full";

/**
 * `created`, `updated` and `deleted` come from the API, `updated` also from the agent; the others come from its link.
 * An agent that is `superseded` stays connected, by another link. One that is `deleted` is not also `disconnected`. One
 * that is `transferred` belongs to `userId` from now on, and connects again.
 */
export interface AgentEvent {
  readonly type:
    | "created"
    | "updated"
    | "deleted"
    | "connected"
    | "superseded"
    | "disconnected"
    | "transferred";
  readonly agentId: string;
  readonly userId: string;
}

/** A credential counts no more: sockets that were opened with it are to be closed. */
export interface CredentialRevoked {
  readonly type: "credential_revoked";
  readonly id: string;
}

/** Rights have changed: open sockets of viewers are to be checked again. Null: of every user, over every agent. */
export interface AccessChanged {
  readonly type: "access_changed";
  readonly userId: string | null;
  readonly agentId: string | null;
}

export type DirectoryEvent = AgentEvent | CredentialRevoked | AccessChanged;

/** Which agents are connected, and how to reach them. One for each gateway; callers must expect each answer late. */
export interface AgentDirectory {
  /** Null for an agent that is not connected. */
  link(agentId: string): Promise<AgentHandle | null>;
  /** Has no entry for an agent that is not connected. */
  presences(agentIds: readonly string[]): Promise<ReadonlyMap<string, Presence>>;
  /** True for an agent that is likely to be connected within seconds, or is so by now. */
  isReturning(agent: Pick<AgentRow, "id" | "last_ping">): Promise<boolean>;
  /** Checks presence and limits and takes the seat in one step, so that requests at the same moment cannot pass a limit together. */
  takeSeat(request: SeatRequest): Promise<ViewerSeat | SeatRefusal>;
  /** The viewers that are connected to an agent, also while that is away for a moment. */
  viewers(agentId: string): Promise<readonly ViewerPresence[]>;
  /**
   * Closes viewers' sockets at once.
   * @param agentId null for all agents
   * @returns whose they were
   */
  closeViewers(agentId: string | null, selection: ViewerSelection): Promise<readonly ViewerPresence[]>;
  /** Resolves once the event has had its effect: `deleted` ends the agent's sockets, `credential_revoked` the credential's. */
  publish(event: DirectoryEvent): Promise<void>;
  /** Returns a function that unsubscribes. A listener may not wait; one that throws is logged. */
  subscribe(listener: (event: DirectoryEvent) => void): () => void;
}
