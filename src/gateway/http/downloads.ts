/** `/downloads/…`: the agent's executables and their checksums, out of one folder. */
import { createHash } from "node:crypto";
import { createReadStream, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { join } from "node:path";
import { Hono } from "hono";
import { ApiError } from "./api-error.ts";
import type { Env } from "./context.ts";

/** The only names that are served; so no path leads out of the folder. */
const BINARY = /^rexec-agent-(linux|darwin)-(amd64|arm64|armv7)$/;
/** Those that a build makes. */
const BUILT = /^rexec-agent-linux-(amd64|arm64)$/;
const SUMS = "SHA256SUMS";

/** @param folder where the executables are, or null where none was found */
export function downloadRoutes(folder: string | null): Hono<Env> {
  const routes = new Hono<Env>();
  const hashes = new HashCache();

  routes.get("/downloads/:file", async (c) => {
    const name = c.req.param("file");
    if (name === SUMS) return textResponse(await sums(folder, hashes));
    const checksum = name.endsWith(".sha256");
    const binary = checksum ? name.slice(0, -".sha256".length) : name;
    const path = findBinary(folder, binary);
    if (!path) throw missing(binary);
    if (checksum) return textResponse(`${await listedHash(folder, binary, path, hashes)}  ${binary}\n`);
    const file = Bun.file(path);
    // Bun answers ranges of a file by itself; the tag keeps a resumed download from mixing two builds.
    return new Response(file, {
      headers: {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": `attachment; filename="${binary}"`,
        "Accept-Ranges": "bytes",
        ETag: tagOf(statSync(path)),
        "Cache-Control": "no-cache",
      },
    });
  });

  return routes;
}

// --- internal ---

function findBinary(folder: string | null, name: string): string | null {
  if (!folder || !BINARY.test(name)) return null;
  const path = join(folder, name);
  return statSync(path, { throwIfNoEntry: false })?.isFile() ? path : null;
}

function missing(name: string): ApiError {
  if (!BINARY.test(name)) return new ApiError(404, "not_found", "no such download");
  const remedy = BUILT.test(name)
    ? "build it (bun run build) and start the gateway with --downloads dist"
    : "there are builds for Linux on amd64 and arm64";
  return new ApiError(404, "download_missing", `this gateway has no ${name}: ${remedy}`);
}

/** The file that the build wrote, or, where there is none, one made of what is there. */
async function sums(folder: string | null, hashes: HashCache): Promise<string> {
  const written = writtenSums(folder);
  if (written !== null) return written;
  const names = folder ? readdirSync(folder).filter((name) => findBinary(folder, name)) : [];
  if (!folder || names.length === 0)
    throw new ApiError(404, "download_missing", "this gateway has no downloads");
  const lines = await Promise.all(
    names.sort().map(async (name) => `${await hashes.of(join(folder, name))}  ${name}\n`),
  );
  return lines.join("");
}

async function listedHash(folder: string | null, name: string, path: string, hashes: HashCache) {
  const listed = writtenSums(folder)
    ?.split("\n")
    .map((line) => line.split(/\s+\*?/))
    .find(([, file]) => file === name)?.[0];
  return listed ?? hashes.of(path);
}

function writtenSums(folder: string | null): string | null {
  const path = folder && join(folder, SUMS);
  return path && statSync(path, { throwIfNoEntry: false })?.isFile() ? readFileSync(path, "utf8") : null;
}

function tagOf({ mtimeMs, size, ino }: Stats): string {
  return `"${Math.trunc(mtimeMs).toString(36)}-${size.toString(36)}-${ino.toString(36)}"`;
}

function textResponse(text: string): Response {
  return new Response(text, { headers: { "Content-Type": "text/plain; charset=utf-8" } });
}

/** SHA-256 of files of 100 MB, each read once, piece by piece so that nothing else has to wait. */
class HashCache {
  readonly #known = new Map<string, { tag: string; hash: Promise<string> }>();

  of(path: string): Promise<string> {
    const tag = tagOf(statSync(path));
    const known = this.#known.get(path);
    if (known?.tag === tag) return known.hash;
    const hash = hashFile(path);
    this.#known.set(path, { tag, hash });
    hash.catch(() => this.#known.delete(path));
    return hash;
  }
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}
