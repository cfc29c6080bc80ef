/** Puts the gateway's recordings together. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { messageOf, RexecError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { AgentDirectory } from "../sessions/agent-directory.ts";
import type { RecordingRow } from "../store/recordings.ts";
import type { Store } from "../store/store.ts";
import { type BucketKeys, RecordingBucket } from "./bucket.ts";
import { Recordings } from "./recordings.ts";
import { recover } from "./recover.ts";
import { Retention } from "./retention.ts";
import { RecordingFolder, type RecordingStorage } from "./storage.ts";
import { Uploader } from "./uploader.ts";

/** What `rexec serve` sets by its options. */
export interface RecordingSettings {
  /** A folder or `s3://BUCKET/PREFIX`; default: `recordings` in the data folder. */
  recordings?: string | undefined;
  /** Ended recordings are removed, the oldest first, after so many days and beyond so many bytes; 0 for never. */
  recordingsDays?: number | undefined;
  recordingsBytes?: number | undefined;
  /** Bytes that may wait for a bucket that takes none: see `UploaderOptions`. */
  recordingsSpool?: number | undefined;
  /** For a bucket. */
  bucketKeys?: BucketKeys | null | undefined;
}

/** What a gateway's recordings are made with. */
export interface RecordingOptions extends RecordingSettings {
  dataDir: string;
  store: Store;
  audit: AuditLog;
  logger: Logger;
}

/** Recordings that are made, and those that are kept. Owned by the gateway, which stops it after the sockets. */
export interface RecordingService {
  readonly making: Recordings;
  readonly retention: Retention;
  /** Where the files of this recording are. */
  storageOf(row: RecordingRow): RecordingStorage;
  /** Removes a recording that has ended: its files, then its row. False where it is gone already. */
  remove(row: RecordingRow): Promise<boolean>;
  /** Agents whose tags change count by their new ones. */
  follow(directory: Pick<AgentDirectory, "subscribe">): void;
  /** Ends all recordings. Never rejects. */
  stop(): Promise<void>;
}

/** @throws RexecError `bad_recordings`: the folder cannot be made, or names no bucket; or the store's error */
export async function startRecordings(options: RecordingOptions): Promise<RecordingService> {
  const { store, audit, logger, recordings: place = join(options.dataDir, "recordings") } = options;
  const bucket = place.startsWith("s3:") ? new RecordingBucket(place, options.bucketKeys ?? null) : null;
  const folder = new RecordingFolder(openedFolder(bucket ? join(options.dataDir, "recordings") : place));
  const found = await recover(store, folder);
  if (found.length > 0) logger.warn(`${found.length} recordings of an earlier gateway end where it ended`);
  const uploader =
    bucket && new Uploader({ store, folder, bucket, logger, spoolBytes: options.recordingsSpool });
  const making = new Recordings({
    store,
    folder: folder.folder,
    audit,
    logger,
    blocked: () => uploader?.blocked ?? null,
    onFinished: ({ bytes }) => uploader?.ended(bytes),
  });
  await making.reload();
  const storageOf = ({ place: where }: RecordingRow) => (where === "bucket" ? (bucket ?? folder) : folder);
  const remove = async (row: RecordingRow) => {
    await storageOf(row).remove(row.id);
    return store.recordings.remove(row.id);
  };
  const { recordingsDays: days = 0, recordingsBytes: bytes = 0 } = options;
  const retention = new Retention({ days, bytes, store, remove, audit, logger });
  return {
    making,
    retention,
    storageOf,
    remove,
    follow(directory) {
      directory.subscribe((event) => {
        if (event.type !== "updated") return;
        const known = async () => {
          const agent = await store.agents.get(event.agentId);
          if (agent) making.agentConnected(agent);
        };
        known().catch((error: unknown) => logger.error(`cannot read an agent's tags: ${messageOf(error)}`));
      });
    },
    async stop() {
      uploader?.stop();
      await making.close();
      await retention.stop();
    },
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
