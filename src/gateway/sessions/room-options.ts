/** What is the same for all agents of a gateway. */
import type { Logger } from "../../lib/log.ts";
import type { ScreenPool } from "../../screen/pool.ts";
import type { SnapshotBudget } from "../../screen/snapshot-budget.ts";
import type { ConnectionInfo } from "../sockets/connection.ts";
import type { Timings } from "../timings.ts";
import type { InputRefusal } from "./control.ts";
import type { RingBudget } from "./ring-budget.ts";
import type { SessionQuota } from "./session-census.ts";
import type { SessionRecordings } from "./session-recordings.ts";

/** What rooms are made with. */
export interface RoomOptions {
  timings: Timings;
  budget: RingBudget;
  /** Lines of a screen's past. */
  scrollback: number;
  /** Where screens are drawn. */
  screens: ScreenPool;
  snapshots: SnapshotBudget;
  /** Left out where nothing is recorded. */
  recordings?: SessionRecordings | undefined;
  logger: Logger;
  /** How many sessions a user may have. */
  sessions: SessionQuota;
  /** A viewer typed where it may not, for the first time. */
  onInputRefused(agentId: string, viewer: ConnectionInfo, session: string, refusal: InputRefusal): void;
}
