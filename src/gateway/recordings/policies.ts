/** Decides which sessions are recorded: by their agent, its tags, and the users that join them. */
import type { PolicyMode, PolicyRow } from "../store/recording-policies.ts";

/** What counts of a session. */
export interface PolicySubject {
  agentId: string;
  /** That it was given. */
  tags: readonly string[];
  /** That it gave itself: they can have its sessions recorded, and keep none from being. */
  ownTags: readonly string[];
  userId: string;
}

/** What is recorded of a session. */
export interface Decision {
  mode: PolicyMode;
  /** What is typed too. */
  input: boolean;
}

/** From the strictest on: the first mode of any policy about a session counts. Without one it is `request`. */
const STRICTEST_FIRST: readonly PolicyMode[] = ["always", "never", "request"];

/** The policies in memory, since nothing may wait where a session opens. Owned by the gateway's recordings. */
export class Policies {
  #rows: readonly PolicyRow[] = [];

  /** Takes the place of all. */
  load(rows: readonly PolicyRow[]): void {
    this.#rows = rows;
  }

  decide(subject: PolicySubject): Decision {
    const fitting = this.#rows.filter((row) => isAbout(row, subject));
    const mode = STRICTEST_FIRST.find((one) => fitting.some((row) => row.mode === one)) ?? "request";
    const input = mode !== "never" && fitting.some((row) => row.input && row.mode !== "never");
    return { mode, input };
  }
}

// --- internal ---

function isAbout({ kind, target, mode }: PolicyRow, subject: PolicySubject): boolean {
  const { agentId, tags, ownTags, userId } = subject;
  switch (kind) {
    case "all":
      return true;
    case "agent":
      return target === agentId;
    case "tag":
      return tags.includes(target) || (mode === "always" && ownTags.includes(target));
    case "user":
      return target === userId;
  }
}
