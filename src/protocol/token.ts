/**
 * Tokens: `rexec_` and 64 hex digits, or (from some servers) a JWT that expires. A word in between says that a token is
 * of another kind: `rexec_join_…` registers machines, `rexec_share_…` shows one session, and neither does anything else.
 */

const PREFIX = "rexec_";
/** Characters of the secret that may be shown. */
const SHOWN = 6;

/** The beginning of a join token. */
export const JOIN_PREFIX = `${PREFIX}join_`;
/** The beginning of a share's token. */
export const SHARE_PREFIX = `${PREFIX}share_`;

/** The part of a token that may be shown and stored: its first 12 characters, behind the word for its kind. */
export function tokenPrefix(token: string): string {
  const [kind = ""] = /^rexec_[a-z]+_/.exec(token) ?? [];
  return token.slice(0, (kind.length || PREFIX.length) + SHOWN);
}

/** True for a token that registers machines and does nothing else. */
export function isJoinToken(token: string): boolean {
  return token.startsWith(JOIN_PREFIX);
}

/** When a JWT expires (Unix milliseconds), null where the token is no JWT or has no `exp`. Nothing is verified. */
export function jwtExpiry(token: string): number | null {
  const [, payload, signature] = token.split(".");
  if (!payload || signature === undefined) return null;
  try {
    const claims: unknown = JSON.parse(fromBase64Url(payload));
    if (typeof claims !== "object" || claims === null || !("exp" in claims)) return null;
    return typeof claims.exp === "number" ? claims.exp * 1000 : null;
  } catch {
    return null;
  }
}

/** True for three base64url parts with a JSON head: a JWT, whatever it says. */
export function isJwt(token: string): boolean {
  return /^[\w-]+\.[\w-]+\.[\w-]*$/.test(token) && token.startsWith("eyJ");
}

// --- internal ---

function fromBase64Url(text: string): string {
  const bytes = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
}
