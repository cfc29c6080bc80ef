/** Which web pages may open a viewer socket. */

/**
 * A page of another site could open a socket with a token that it got hold of, or by DNS rebinding; scripts and the
 * CLI send no Origin, and whoever can set Authorization is no web page.
 * @param own origins of this gateway: see `RequestInfo.ownOrigins`
 */
export function originAllowed(
  origin: string | null,
  tokenFrom: "header" | "subprotocol" | "query",
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
