/** What a session is made of. */

import type { Logger } from "../../lib/log.ts";
import type { Pty } from "../../pty/pty.ts";
import type { ByteRing } from "../../stream/byte-ring.ts";
import type { SavedSession } from "../restart/schema.ts";
import type { SessionFollower } from "./follower.ts";

/** What a session restores itself; of its terminal and its ring `SessionManager` has made new ones. */
export type RevivedSession = Omit<SavedSession, "pty" | "ring">;

/** @typeParam Session the session that it makes */
export interface SessionOptions<Session> {
  id: string;
  /** Null where it has ended already. */
  pty: Pty | null;
  /** What was started, for lists. */
  command: string;
  size: { cols: number; rows: number };
  ring: ByteRing;
  /** How long what was asked for over a lost connection stands, ms. */
  viewerGraceMs: number;
  /** Makes its reader in this process. */
  follow(session: Session): SessionFollower;
  logger: Logger;
  /** Called once, when the session is over. */
  onOver(session: Session): void;
  /** As an earlier program image left it, its ring included; otherwise it begins now. */
  saved?: RevivedSession;
}
