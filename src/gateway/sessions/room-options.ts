/** What every room of a gateway is made with. */
import type { Logger } from "../../lib/log.ts";
import type { ScreenPool } from "../../screen/pool.ts";
import type { SnapshotBudget } from "../../screen/snapshot-budget.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { Timings } from "../timings.ts";
import type { RingBudget } from "./ring-budget.ts";
import type { SessionQuota } from "./session-census.ts";
import type { SessionRecordings } from "./session-recordings.ts";

/** What is the same for all agents of a gateway. */
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
  audit: AuditLog;
}
