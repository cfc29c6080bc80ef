/** Where a request carries its token, and which subprotocol its socket speaks. */
import { SUBPROTOCOL_V1, TOKEN_SUBPROTOCOL_PREFIX } from "../../protocol/v1.ts";
import { SUBPROTOCOL_V2 } from "../../protocol/v2/frames.ts";
import { isSessionSecret } from "./secrets.ts";
import { sessionCookie } from "./session-cookie.ts";

/** A token and where it stood. */
export interface Credentials {
  token: string;
  from: "header" | "subprotocol" | "query" | "cookie";
}

/** Characters. A longer token is refused before it is hashed. */
const MAX_TOKEN_LENGTH = 8192;

/** `Authorization: Bearer TOKEN`, or null. */
export function bearerToken(headers: Headers): string | null {
  const match = /^Bearer +(\S+) *$/i.exec(headers.get("authorization") ?? "");
  return withinLimit(match?.[1]);
}

/** The token of a socket: the header first, then the subprotocol `rexec.token.TOKEN`, then `?token=`. */
export function socketCredentials(request: Request, url: URL): Credentials | null {
  const header = bearerToken(request.headers);
  if (header) return { token: header, from: "header" };
  const offered = offeredSubprotocols(request.headers).find(isTokenSubprotocol);
  const subprotocol = withinLimit(offered?.slice(TOKEN_SUBPROTOCOL_PREFIX.length));
  if (subprotocol) return { token: subprotocol, from: "subprotocol" };
  const query = withinLimit(url.searchParams.get("token") ?? undefined);
  return query ? { token: query, from: "query" } : null;
}

/** As `socketCredentials`; without a token, the cookie of a browser. For sockets that a page may open. */
export function pageCredentials(request: Request, url: URL, publicUrl: string): Credentials | null {
  const token = socketCredentials(request, url);
  if (token) return token;
  const cookie = sessionCookie(request.headers, publicUrl);
  return cookie === null ? null : { token: cookie, from: "cookie" };
}

/**
 * The value of the answer's `Sec-WebSocket-Protocol`; empty for none (left out, Bun would echo the first one offered).
 * A token is echoed only where nothing else was offered: a browser then fails a socket that is answered without.
 *
 * @param v2 whether this socket was offered rexec.v2 and can speak it: see `offersV2`
 */
export function chooseSubprotocol(headers: Headers, v2: boolean): string {
  if (v2) return SUBPROTOCOL_V2;
  const offered = offeredSubprotocols(headers);
  if (offered.includes(SUBPROTOCOL_V1)) return SUBPROTOCOL_V1;
  const onlyTokens = offered.length > 0 && offered.every(isTokenSubprotocol);
  return onlyTokens ? (offered[0] ?? "") : "";
}

/** True where the client offers rexec.v2. */
export function offersV2(headers: Headers): boolean {
  return offeredSubprotocols(headers).includes(SUBPROTOCOL_V2);
}

// --- internal ---

function offeredSubprotocols(headers: Headers): string[] {
  return (headers.get("sec-websocket-protocol") ?? "")
    .split(",")
    .map((name) => name.trim())
    .filter(Boolean);
}

function isTokenSubprotocol(name: string): boolean {
  return name.startsWith(TOKEN_SUBPROTOCOL_PREFIX);
}

/** The secret of a browser's session counts in its cookie alone. */
function withinLimit(token: string | undefined): string | null {
  return token && token.length <= MAX_TOKEN_LENGTH && !isSessionSecret(token) ? token : null;
}
