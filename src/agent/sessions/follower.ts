/** A reader of a session in this process, from its start to behind its end. */
import type { SavedFeed } from "../restart/schema.ts";
import type { PaceReader } from "./pace.ts";

/** Made with its session, and owned by it: v1's way to read one. */
export interface SessionFollower extends PaceReader {
  /** The session has ended and its follower has yet to be told, or to tell: it keeps its name until `release`. */
  readonly isOwed: boolean;
  save(): Required<SavedFeed>;
  restore(saved: SavedFeed): void;
}
