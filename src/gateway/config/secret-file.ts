/** Files of secrets: `--oidc-secret-file`, `REXEC_SERVE_OIDC_SECRET_FILE`, `secret_file:`. */
import { statSync } from "node:fs";
import { readBoundedFile } from "../../lib/bounded-file.ts";
import { messageOf } from "../../lib/errors.ts";
import { configError } from "./config-error.ts";
import { type Place, path } from "./kinds.ts";

/** Bytes of a secret. */
const MOST_BYTES = 4_096;

/**
 * The secret in a file, without the end of its last line.
 * @param from what names the file: an option, a variable, a line
 * @param warnings takes one if accounts outside the file's group can read it
 * @throws RexecError `bad_config`, without anything of the content
 */
export function readSecret(file: string, place: Place, from: string, warnings: string[]): string {
  const absolute = path("FILE").parse([file], place);
  let content: string;
  try {
    content = readBoundedFile(absolute, MOST_BYTES).replace(/\r?\n$/, "");
    if ((statSync(absolute).mode & 0o007) !== 0) {
      warnings.push(`others can read ${absolute}, the file of a secret (${from}): run chmod o= ${absolute}`);
    }
  } catch (error) {
    throw configError(`${from}: cannot read ${absolute}: ${messageOf(error)}`, READ_HINT, error);
  }
  if (content === "")
    throw configError(`${from}: ${absolute} is empty`, "it holds the secret and nothing else");
  return content;
}

// --- internal ---

const READ_HINT = "it is a file of the secret alone that the gateway's account may read";
