/** The folder that downloads come from: what is in it may be asked for by name, and nothing else can be. */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { commentFields, parseSignature } from "../../lib/minisign.ts";

/** The executables' names, Go's words for machines. */
const BINARY = /^rexec(-agent)?-(linux|darwin)-(amd64|arm64|armv7)$/;
/** Those that a build makes. */
const BUILT = /^rexec(-agent)?-linux-(amd64|arm64)$/;
const SUMS = "SHA256SUMS";
const OTHERS: ReadonlySet<string> = new Set([SUMS, "install-agent.sh", "rexec.cdx.json", "rexec.pub"]);
/** Folder of another version than the main one: `v1.2.3`. */
const VERSION_FOLDER = /^v\d+\.\d+\.\d+([-+][\w.+-]+)?$/;

/** What a name is of: an executable, packed or not; a signature; or neither, and then it is not served. */
export interface DownloadName {
  /** The file on disk. */
  file: string;
  /** The executable that it is, or belongs to. */
  binary: string | null;
  isBuilt: boolean;
  isText: boolean;
}

/** Null for a name that no release has; so no path leads out of the folder. */
export function parseDownloadName(file: string): DownloadName | null {
  const isSignature = file.endsWith(".minisig");
  const signed = isSignature ? file.slice(0, -".minisig".length) : file;
  const plain = signed.replace(/\.(gz|xz)$/, "");
  const binary = BINARY.test(plain) ? plain : null;
  if (binary === null && !OTHERS.has(signed)) return null;
  const isText = isSignature || binary === null;
  return { file, binary, isBuilt: binary !== null && BUILT.test(binary), isText };
}

/** The files that the installer and updates fetch. One for a gateway; hashes are kept as long as a file is unchanged. */
export class DownloadFolder {
  readonly #folder: string | null;
  readonly #hashes: HashCache;

  /** @param folder null where there is none */
  constructor(folder: string | null, hashes = new HashCache()) {
    this.#folder = folder;
    this.#hashes = hashes;
  }

  /** The folder of another version beside the main one; an empty one where that version is not there. */
  ofVersion(version: string): DownloadFolder {
    const path = this.#folder && VERSION_FOLDER.test(version) ? join(this.#folder, version) : null;
    const isThere = path !== null && statSync(path, { throwIfNoEntry: false })?.isDirectory();
    return new DownloadFolder(isThere ? path : null, this.#hashes);
  }

  /** Path and tag of a file that is there. */
  find({ file }: Pick<DownloadName, "file">): { path: string; tag: string } | null {
    const path = this.#folder && join(this.#folder, file);
    const stats = path ? statSync(path, { throwIfNoEntry: false }) : undefined;
    return path && stats?.isFile() ? { path, tag: tagOf(stats) } : null;
  }

  /** The sums that the build wrote, or, where there are none, of what is there; null where nothing is. */
  async sums(): Promise<string | null> {
    const written = this.#writtenSums();
    if (written !== null || !this.#folder) return written;
    const names = readdirSync(this.#folder).filter(
      (name) => parseDownloadName(name)?.binary && !name.endsWith(".minisig") && this.find({ file: name }),
    );
    if (names.length === 0) return null;
    const folder = this.#folder;
    const lines = names.sort().map(async (name) => `${await this.#hashes.of(join(folder, name))}  ${name}\n`);
    return (await Promise.all(lines)).join("");
  }

  /** What the build says that the file's SHA-256 is, else what it is. */
  async sum(file: string, path: string): Promise<string> {
    const listed = this.#writtenSums()
      ?.split("\n")
      .map((line) => line.split(/\s+\*?/))
      .find(([, name]) => name === file)?.[0];
    return listed ?? this.#hashes.of(path);
  }

  /** Version of the agents in it, as their signatures say; null where they have none. */
  agentVersion(): string | null {
    for (const arch of ["amd64", "arm64"]) {
      const found = this.find({ file: `rexec-agent-linux-${arch}.minisig` });
      if (!found) continue;
      try {
        const { version } = commentFields(parseSignature(readFileSync(found.path, "utf8")).comment);
        if (version) return version;
      } catch {
        // Agents find out for themselves that it is none; here it only says nothing.
      }
    }
    return null;
  }

  #writtenSums(): string | null {
    const found = this.find({ file: SUMS });
    return found && readFileSync(found.path, "utf8");
  }
}

// --- internal ---

function tagOf({ mtimeMs, size, ino }: Stats): string {
  return `"${Math.trunc(mtimeMs).toString(36)}-${size.toString(36)}-${ino.toString(36)}"`;
}

/** SHA-256 of files of 100 MB, each read once, piece by piece so that nothing else has to wait; of all versions. */
class HashCache {
  readonly #known = new Map<string, { tag: string; hash: Promise<string> }>();

  of(path: string): Promise<string> {
    const tag = tagOf(statSync(path));
    const known = this.#known.get(path);
    if (known?.tag === tag) return known.hash;
    const hash = hashFile(path);
    this.#known.delete(path);
    this.#known.set(path, { tag, hash });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_HASHES) break;
      this.#known.delete(oldest);
    }
    hash.catch(() => this.#known.delete(path));
    return hash;
  }
}

const MAX_HASHES = 1_000;

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
