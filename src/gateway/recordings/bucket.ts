/** Recordings in an S3-compatible bucket, by the runtime's own client. Keys and endpoint come from the environment. */
import { RexecError } from "../../lib/errors.ts";
import type { FileKind, RecordingStorage } from "./storage.ts";

/** How a bucket is reached. */
export interface BucketKeys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
  endpoint?: string | undefined;
  region?: string | undefined;
}

/** From the variables that other S3 clients read too; null where a key is missing. */
export function bucketKeys(env: Readonly<Record<string, string | undefined>>): BucketKeys | null {
  const of = (name: string) => env[`S3_${name}`] || env[`AWS_${name}`] || undefined;
  const [accessKeyId, secretAccessKey] = [of("ACCESS_KEY_ID"), of("SECRET_ACCESS_KEY")];
  if (!accessKeyId || !secretAccessKey) return null;
  const [sessionToken, endpoint, region] = [of("SESSION_TOKEN"), of("ENDPOINT"), of("REGION")];
  return { accessKeyId, secretAccessKey, sessionToken, endpoint, region };
}

const KINDS: readonly FileKind[] = ["cast", "idx"];

/** Ended recordings, one object a file. Owned by the gateway. Methods reject with the client's error. */
export class RecordingBucket implements RecordingStorage {
  readonly #client: Bun.S3Client;
  readonly #prefix: string;

  /** @throws RexecError `bad_recordings` */
  constructor(url: string, keys: BucketKeys | null) {
    const [, bucket = "", prefix = ""] =
      /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([^?#]*))?$/.exec(url) ?? [];
    if (bucket === "") {
      throw new RexecError(`--recordings cannot be "${url}"`, {
        code: "bad_recordings",
        hint: "a bucket is named s3://BUCKET or s3://BUCKET/PREFIX",
      });
    }
    if (!keys) {
      throw new RexecError(`there are no keys for ${url}`, {
        code: "bad_recordings",
        hint: "set S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY, and S3_ENDPOINT and S3_REGION where it is not Amazon's",
      });
    }
    const { accessKeyId, secretAccessKey, ...rest } = keys;
    const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    this.#client = new Bun.S3Client({ bucket, accessKeyId, secretAccessKey, ...given });
    this.#prefix = prefix.replace(/\/*$/, prefix === "" ? "" : "/");
  }

  async size(id: string, kind: FileKind): Promise<number | null> {
    const file = this.#client.file(this.#key(id, kind));
    return (await file.exists()) ? (await file.stat()).size : null;
  }

  part(id: string, kind: FileKind, from: number, to: number): Blob {
    return this.#client.file(this.#key(id, kind)).slice(from, to);
  }

  async remove(id: string): Promise<void> {
    for (const kind of KINDS) await this.#client.delete(this.#key(id, kind));
  }

  /** Sends a file there, in parts where it is large. */
  async upload(id: string, kind: FileKind, path: string): Promise<void> {
    await this.#client.write(this.#key(id, kind), Bun.file(path), { retry: 1, queueSize: 2 });
  }

  // --- internal ---

  #key(id: string, kind: FileKind): string {
    return `${this.#prefix}${id}.${kind}`;
  }
}
