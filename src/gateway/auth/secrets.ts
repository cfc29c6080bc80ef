/** Secrets of browser sessions and one-time links: 256 random bits, of which only the SHA-256 is stored. */
import { randomBytes } from "node:crypto";
import { hashToken } from "./token.ts";

/** How long a login link works, milliseconds. */
export const LOGIN_LINK_MS = 10 * 60_000;

/** A new secret in full, shown once, and what is stored of it. */
export interface NewSecret {
  secret: string;
  hash: string;
}

/** The secret that a browser keeps in its cookie. */
export function makeSessionSecret(): NewSecret {
  return make("rexec_web_");
}

/** The secret of a login link or an invite. */
export function makeLinkSecret(): NewSecret {
  return make("rexec_link_");
}

/** True for what the secret of a browser session looks like. */
export function isSessionSecret(text: string): boolean {
  return /^rexec_web_[0-9a-f]{64}$/.test(text);
}

/** The secret in a pasted link, or the secret itself; null where there is none. */
export function linkSecretIn(text: string): string | null {
  return /(?:^|#)(rexec_link_[0-9a-f]{64})$/.exec(text.trim())?.[1] ?? null;
}

// --- internal ---

function make(prefix: string): NewSecret {
  const secret = prefix + randomBytes(32).toString("hex");
  return { secret, hash: hashToken(secret) };
}
