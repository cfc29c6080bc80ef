/** Between an attachment and its room. */
import type { OwnerMessage, SessionInfo } from "../../protocol/v2/control.ts";
import type { SnapshotBudget } from "../../screen/snapshot-budget.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { InputShifts } from "./input-shift.ts";
import type { Mirror } from "./mirror.ts";
import type { Typing } from "./typing.ts";
import type { ViewerRecording } from "./viewer-recording.ts";

type Attached = Extract<OwnerMessage, { type: "attached" }>;

/** What an attachment may use of its room. */
export interface AttachmentDeps {
  /** The mirror of what the agent has attached us to. */
  mirror(attached: Attached): Mirror;
  /** The viewers that it has already. */
  others(info: SessionInfo): readonly ConnectionInfo[];
  onGone(announced: boolean): void;
  recording: ViewerRecording;
  /** Whether its viewer may type in its session. */
  typing(session: () => string): Typing;
  shifts: InputShifts;
  /** The viewer wants to type alone, or gives that back. */
  control(mode: "everybody" | "only"): void;
  snapshots: SnapshotBudget;
  /** A viewer that keeps falling behind gets a fresh screen at most this often, milliseconds. */
  screenEveryMs: number;
}
