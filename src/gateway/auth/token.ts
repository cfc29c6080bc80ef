/** Making and hashing tokens. A token has 256 random bits, so a plain SHA-256 is enough: there is nothing to guess. */
import { createHash, randomBytes } from "node:crypto";
import { JOIN_PREFIX, SHARE_PREFIX, tokenPrefix } from "../../protocol/token.ts";

/** A new token in full. Only its hash and prefix are stored. */
export interface NewToken {
  token: string;
  hash: string;
  prefix: string;
}

/** A token that registers machines and does nothing else. */
export function makeJoinToken(): NewToken {
  return newToken(JOIN_PREFIX);
}

/** A token that shows one session and does nothing else. */
export function makeShareToken(): NewToken {
  return newToken(SHARE_PREFIX);
}

export function makeToken(): NewToken {
  return newToken("rexec_");
}

/** SHA-256 in hex. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("hex");
}

// --- internal ---

function newToken(prefix: string): NewToken {
  const token = `${prefix}${randomBytes(32).toString("hex")}`;
  return { token, hash: hashToken(token), prefix: tokenPrefix(token) };
}
