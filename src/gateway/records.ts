/** What a gateway keeps in its data folder: the database, the audit log and the recordings. */
import { messageOf } from "../lib/errors.ts";
import { gather } from "../lib/gather.ts";
import type { Logger } from "../lib/log.ts";
import { type AuditOptions, type AuditService, startAudit } from "./audit/service.ts";
import { type RecordingService, type RecordingSettings, startRecordings } from "./recordings/start.ts";
import type { AgentRecorder } from "./sessions/hub.ts";
import { openStore, type Store } from "./store/store.ts";

/** What `rexec serve` sets of the records. */
export interface RecordsOptions extends RecordingSettings {
  /** Folder of the database; it is made if it is missing. */
  dataDir: string;
  audit?: AuditOptions | undefined;
  logger: Logger;
}

/** Owned by the gateway, which closes them in this order: recordings, audit log, database. */
export interface Records {
  readonly store: Store;
  readonly auditing: AuditService;
  readonly recordings: RecordingService;
}

/**
 * Opens the records; what is open is closed again where one fails.
 * @throws RexecError: the data folder or the place of the recordings cannot be used
 */
export async function openRecords(options: RecordsOptions): Promise<Records> {
  const { dataDir, logger } = options;
  const store = await openStore(dataDir);
  let auditing: Records["auditing"] | null = null;
  try {
    auditing = startAudit(store, dataDir, logger, options.audit);
    const recordings = await startRecordings({ ...options, store, audit: auditing.log });
    return { store, auditing, recordings };
  } catch (error) {
    await auditing?.close();
    await store.close();
    throw error;
  }
}

/** Keeps the rows of agents up to date. A database that fails is logged, and no terminal waits for it. */
export function agentRecorder(store: Store, logger: Logger): AgentRecorder {
  const record = (write: Promise<void>) =>
    void write.catch((error: unknown) => {
      const why = messageOf(error);
      gather(logger, { level: "error", kind: "records", who: why }, `cannot record: ${why}`);
    });
  return {
    connected: (id, at) => record(store.agents.markConnected(id, at)),
    alive: (id, at) => record(store.agents.markPing(id, at)),
    systemInfo: (id, info) => record(store.agents.setSystemInfo(id, info)),
  };
}
