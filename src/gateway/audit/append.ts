/** Writes one entry from a command that works on the data folder, beside a gateway that may be running. */
import type { Audits } from "../store/audit.ts";
import { isBusyError } from "../store/open.ts";
import type { AuditEntry } from "./audit.ts";
import { draftOf } from "./draft.ts";
import { MAIN_CHAIN } from "./writer.ts";

/** The gateway holds the database for milliseconds; longest wait for it, and between two tries, ms. */
const WAIT_MS = 5_000;
const PAUSE_MS = 20;

/** Resolves once the entry is in the log: call it before what it tells of. @throws the database's error */
export async function appendEntry(audits: Pick<Audits, "append">, entry: AuditEntry): Promise<void> {
  const draft = draftOf(entry, Date.now());
  const deadline = performance.now() + WAIT_MS;
  for (;;) {
    try {
      await audits.append(MAIN_CHAIN, [draft]);
      return;
    } catch (error) {
      if (!isBusyError(error) || performance.now() > deadline) throw error;
      await Bun.sleep(PAUSE_MS);
    }
  }
}
