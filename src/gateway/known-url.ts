/** The gateway's address, kept in its data folder: commands that work on the folder tell users of it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { writeFileAtomic } from "../lib/atomic-file.ts";
import { messageOf } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";

/** Writes the file `url`. One that cannot be written is logged: the gateway does not need it. */
export function rememberUrl(dataDir: string, url: string, logger: Logger): void {
  if (knownUrl(dataDir) === url) return;
  try {
    writeFileAtomic(join(dataDir, "url"), `${url}\n`, 0o600);
  } catch (error) {
    logger.warn(`cannot note this gateway's address in ${dataDir}: ${messageOf(error)}`);
  }
}

/** How users reach the gateway that ran on the folder last; null where that is not known. */
export function knownUrl(dataDir: string): string | null {
  try {
    const url = readFileSync(join(dataDir, "url"), "utf8").trim();
    return /^https?:$/.test(new URL(url).protocol) ? url : null;
  } catch {
    return null; // no gateway has run there, or the file is not readable
  }
}
