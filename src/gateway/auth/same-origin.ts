/**
 * Whether a request that a cookie vouches for was made by one of the gateway's own pages. A browser sends the cookie
 * along with requests that other sites make; `SameSite=Lax` stops most of these, and this check the rest. A request
 * with neither header comes from no browser of today, so no page has made it.
 */
import { ApiError } from "../http/api-error.ts";
import type { RequestInfo } from "../http/request-info.ts";

/** What the check compares with. */
export interface OwnOrigins extends Pick<RequestInfo, "publicUrl"> {
  /** Of an upgrade: origins of other pages that may open terminals (`--allow-origin`). */
  allowOrigins?: readonly string[] | undefined;
}

/**
 * Refuses what a page of another site made. Needed for methods that change something, for WebSocket upgrades, and for
 * signing in (a visitor could be signed in as another user); not for a request with a bearer token.
 * @throws ApiError 403 `origin`
 */
export function requireOwnPage(headers: Headers, own: OwnOrigins): void {
  const origin = headers.get("origin");
  const isAllowed = origin !== null && (own.allowOrigins ?? []).some((each) => originOf(each) === origin);
  if (isAllowed) return;
  const site = headers.get("sec-fetch-site");
  const siteFits = site === null || site === "same-origin" || site === "none";
  if (siteFits && (origin === null || isOwn(origin, headers, own))) return;
  throw new ApiError(
    403,
    "origin",
    "pages of another origin may not do this (see --public-url and --allow-origin)",
  );
}

// --- internal ---

/**
 * The gateway's public address, or the address that the request itself names: a cookie is only sent to its own host.
 * A proxy that does TLS may not have been named, so https counts where the gateway sees http, and not the reverse.
 */
function isOwn(origin: string, headers: Headers, { publicUrl }: OwnOrigins): boolean {
  const own = originOf(publicUrl);
  if (origin === own) return true;
  const host = headers.get("host") ?? "";
  const schemes = own?.startsWith("http:") ? ["https", "http"] : ["https"];
  return schemes.some((scheme) => originOf(`${scheme}://${host}`) === origin);
}

function originOf(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { origin } = new URL(url);
  return origin === "null" ? null : origin;
}
