/** Making and hashing tokens. A token has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess. */
import { createHash, randomBytes } from "node:crypto";
import { tokenPrefix } from "../../protocol/token.ts";

/** A new token in full. Only its hash and prefix are stored. */
export interface NewToken {
  token: string;
  hash: string;
  prefix: string;
}

/** @param kind what it is beside an API token: `share` makes `rexec_share_…` */
export function makeToken(kind: "" | "share" = ""): NewToken {
  const token = `rexec_${kind && `${kind}_`}${randomBytes(32).toString("hex")}`;
  return { token, hash: hashToken(token), prefix: tokenPrefix(token) };
}

/** SHA-256 in hex. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}
