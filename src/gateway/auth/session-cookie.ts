/** The cookie of a browser session. Over https its name has the prefix `__Host-`, which no other host can set. */
import { isSessionSecret } from "./secrets.ts";

const OVER_HTTPS = "__Host-rexec";
const OVER_HTTP = "rexec_session";

/**
 * The secret of the session that a browser sends, or null.
 * @param publicUrl the address by which the browser knows the gateway
 */
export function sessionCookie(headers: Headers, publicUrl: string): string | null {
  const name = nameFor(publicUrl);
  const values = (headers.get("cookie") ?? "")
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => pair.slice(name.length + 1));
  // With two, another site of the domain has set one of them, and which one cannot be told.
  const [value, ...others] = values;
  return value !== undefined && others.length === 0 && isSessionSecret(value) ? value : null;
}

/** The `Set-Cookie` of a new session. @param seconds how long the browser keeps it */
export function sessionCookieFor(secret: string, publicUrl: string, seconds: number): string {
  return cookie(secret, publicUrl, seconds);
}

/** The `Set-Cookie` that removes the cookie. */
export function noSessionCookie(publicUrl: string): string {
  return cookie("", publicUrl, 0);
}

// --- internal ---

function nameFor(publicUrl: string): string {
  return isHttps(publicUrl) ? OVER_HTTPS : OVER_HTTP;
}

function isHttps(publicUrl: string): boolean {
  return publicUrl.startsWith("https:");
}

function cookie(value: string, publicUrl: string, maxAge: number): string {
  const secure = isHttps(publicUrl);
  const options = { path: "/", httpOnly: true, sameSite: "lax", secure, maxAge } as const;
  return new Bun.Cookie(nameFor(publicUrl), value, options).toString();
}
