/** Which web pages may open a viewer socket with a token. */
import type { Credentials } from "./credentials.ts";

/**
 * Refuses the page of another site, which may have got hold of a token or use DNS rebinding. Scripts and the CLI send no
 * Origin, and a web page cannot set Authorization: both pass.
 * @param own origins of this gateway: see `RequestInfo.ownOrigins`
 */
export function originAllowed(
  origin: string | null,
  tokenFrom: Credentials["from"],
  own: readonly string[],
  allowed: readonly string[],
): boolean {
  if (origin === null || tokenFrom === "header") return true;
  const wanted = normalise(origin);
  return wanted !== null && [...own, ...allowed].some((each) => normalise(each) === wanted);
}

// --- internal ---

/** `https://Host:443/` and `https://host` are one origin; `null` and rubbish are none. */
function normalise(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { origin } = new URL(text);
  return origin === "null" ? null : origin;
}
