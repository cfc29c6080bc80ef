/** Puts the gateway's recordings together. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { AgentDirectory } from "../sessions/agent-directory.ts";
import type { RecordingRow } from "../store/recordings.ts";
import type { Store } from "../store/store.ts";
import { Recordings } from "./recordings.ts";
import { recover } from "./recover.ts";
import { RecordingFolder, type RecordingStorage } from "./storage.ts";

/** What a gateway's recordings are made with. */
export interface RecordingOptions {
  dataDir: string;
  /** A folder or `s3://BUCKET/PREFIX`; default: `recordings` in the data folder. */
  recordings?: string | undefined;
  recordingsDays?: number | undefined;
  recordingsBytes?: number | undefined;
  store: Store;
  audit: AuditLog;
  logger: Logger;
}

/** Recordings that are made, and those that are kept. Owned by the gateway, which stops it after the sockets. */
export interface RecordingService {
  readonly making: Recordings;
  /** Where the files of this recording are. */
  storageOf(row: RecordingRow): RecordingStorage;
  /** Removes a recording that has ended: its files, then its row. False where it is gone already. */
  remove(row: RecordingRow): Promise<boolean>;
  /** Agents whose tags change count by their new ones. */
  follow(directory: Pick<AgentDirectory, "subscribe">): void;
  /** Ends all recordings. Never rejects. */
  stop(): Promise<void>;
}

/** @throws RexecError `bad_recordings`: the folder cannot be made; or the store's error */
export async function startRecordings(options: RecordingOptions): Promise<RecordingService> {
  const { store, audit, logger } = options;
  const folder = new RecordingFolder(openedFolder(options.recordings ?? join(options.dataDir, "recordings")));
  const found = await recover(store, folder);
  if (found.length > 0) logger.warn(`${found.length} recordings of an earlier gateway end where it ended`);
  const making = new Recordings({ store, folder: folder.folder, audit, logger });
  await making.reload();
  return {
    making,
    storageOf: () => folder,
    async remove(row) {
      await folder.remove(row.id);
      return store.recordings.remove(row.id);
    },
    follow(directory) {
      directory.subscribe((event) => {
        if (event.type !== "updated") return;
        const known = async () => {
          const agent = await store.agents.get(event.agentId);
          if (agent) making.agentConnected(agent);
        };
        known().catch((error: unknown) =>
          logger.error(`cannot read the tags of an agent: ${messageOf(error)}`),
        );
      });
    },
    stop: () => making.close(),
  };
}

// --- internal ---

function openedFolder(folder: string): string {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return folder;
  } catch (error) {
    throw new RexecError(`cannot make the folder of recordings ${folder}: ${messageOf(error)}`, {
      code: "bad_recordings",
      hint: "name a folder that this user may write: --recordings DIR",
      cause: error,
    });
  }
}
