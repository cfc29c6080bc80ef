/** `/downloads/…`: executables, packed and plain, their checksums and signatures, out of one folder. */
import { type Context, Hono } from "hono";
import { ApiError } from "./api-error.ts";
import type { Env } from "./context.ts";
import { type DownloadFolder, parseDownloadName } from "./download-folder.ts";

/** `/downloads/FILE` is of the main version, `/downloads/v1.2.3/FILE` of the one in that subfolder. */
export function downloadRoutes(folder: DownloadFolder): Hono<Env> {
  const routes = new Hono<Env>();
  routes.get("/downloads/:file", (c) => serve(c, folder, c.req.param("file")));
  routes.get("/downloads/:version/:file", (c) =>
    serve(c, folder.ofVersion(c.req.param("version")), c.req.param("file")),
  );
  return routes;
}

// --- internal ---

async function serve(c: Context<Env>, folder: DownloadFolder, asked: string): Promise<Response> {
  if (asked === "SHA256SUMS") {
    const sums = await folder.sums();
    if (sums === null) throw new ApiError(404, "download_missing", "this gateway has no downloads");
    return textResponse(sums);
  }
  const isSum = asked.endsWith(".sha256");
  const file = isSum ? asked.slice(0, -".sha256".length) : asked;
  const name = parseDownloadName(file);
  const found = name && folder.find(name);
  if (!name || !found) throw missing(file);
  if (isSum) return textResponse(`${await folder.sum(file, found.path)}  ${file}\n`);
  const headers = {
    "Content-Type": name.isText ? "text/plain; charset=utf-8" : "application/octet-stream",
    ...(name.isText ? {} : { "Content-Disposition": `attachment; filename="${file}"` }),
    "Accept-Ranges": "bytes",
    ETag: found.tag,
    "Cache-Control": "no-cache",
  };
  if (c.req.header("if-none-match") === found.tag) return new Response(null, { status: 304, headers });
  // Bun answers ranges of a file by itself, and If-Range too; the tag keeps a resumed download from mixing two builds.
  return new Response(Bun.file(found.path), { headers });
}

function missing(file: string): ApiError {
  const name = parseDownloadName(file);
  if (!name) return new ApiError(404, "not_found", "no such download");
  return new ApiError(404, "download_missing", `this gateway has no ${file}: ${remedyFor(name)}`);
}

function remedyFor({
  file,
  binary,
  isBuilt,
}: {
  file: string;
  binary: string | null;
  isBuilt: boolean;
}): string {
  if (binary !== null && !isBuilt) return "there are builds for Linux on amd64 and arm64";
  const command = file === binary ? "bun run build" : "bun run release";
  return `build it (${command}) and start the gateway with --downloads dist`;
}

function textResponse(text: string): Response {
  return new Response(text, { headers: { "Content-Type": "text/plain; charset=utf-8" } });
}
