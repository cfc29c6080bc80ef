/** Takes this machine off its server, and everything that registering has left here. Each step by itself: what fails is told. */

import { existsSync, rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import * as z from "zod/mini";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { HttpError, requestJson } from "../../lib/http.ts";
import type { Endpoint } from "../../lib/net.ts";
import { pathSegment } from "../../protocol/path.ts";

/** The agent to be taken off its server. */
export interface ServerRequest {
  endpoint: Endpoint;
  agentId: string;
  token: string | null;
}

/**
 * @returns `gone`: the server knew it no more
 * @throws RexecError where the server does not do it
 */
export async function removeAtServer({
  endpoint,
  agentId,
  token,
}: ServerRequest): Promise<"removed" | "gone"> {
  if (!token) throw new RexecError("there is no token to do it with", { code: "token_missing" });
  try {
    await requestJson({
      endpoint,
      method: "DELETE",
      path: `/api/agents/${pathSegment(agentId)}`,
      token,
      schema: z.unknown(),
    });
    return "removed";
  } catch (error) {
    if (error instanceof HttpError && error.status === 404) return "gone";
    throw error;
  }
}

/** Files that were removed, and what stood in the way of others. */
export interface Removed {
  paths: string[];
  problems: string[];
}

/** Removes the files, then the folders that are empty by now; the inner ones come first. */
export function removeFiles(files: readonly string[], folders: readonly string[]): Removed {
  const paths: string[] = [];
  const problems: string[] = [];
  for (const file of files.filter((path) => existsSync(path))) {
    try {
      rmSync(file);
      paths.push(file);
    } catch (error) {
      problems.push(`cannot remove ${file}: ${messageOf(error)}`);
    }
  }
  for (const folder of folders) {
    try {
      rmdirSync(folder);
      paths.push(folder);
    } catch {
      // Other files are in it, or it is not there.
    }
  }
  return { paths, problems };
}

/** Folders that we make for a configuration file, a pid file and a log. @param files of an agent */
export function ownFolders(files: readonly string[]): string[] {
  const folders = files
    .map((file) => dirname(file))
    .filter((folder) =>
      /^\/(etc|run|var\/log)\/rexec$|\/\.rexec(\/run)?$|\/run\/user\/\d+\/rexec$/.test(folder),
    );
  return [...new Set(folders)].sort((a, b) => b.length - a.length);
}
