/** Pages on the way to the identity provider and back. */
import type { Context } from "hono";
import { ApiError } from "../api-error.ts";
import type { ApiDeps, Env } from "../context.ts";
import { type Route, route } from "../route.ts";
import { recordFailure } from "../sign-in.ts";
import { nextOf, tried, welcome } from "./forms.ts";
import { type Html, html } from "./html.ts";
import { goTo } from "./page.ts";
import { messagePage } from "./sign-in.ts";

/** Where the provider sends the browser back to, below the public URL. Registered there by the operator. */
export const OIDC_BACK = "/oidc-callback";

export const oidcRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/oidc",
    action: "public",
    summary: "Page: go on to the identity provider",
    handle({ c, deps }) {
      const { publicUrl, address } = c.env;
      return tried(
        () =>
          requireOidc(deps).begin(
            `${publicUrl}${OIDC_BACK}`,
            nextOf(c.req.query("next")) ?? "account",
            address,
          ),
        ({ url, step, maxAge }) => goTo(url, { "Set-Cookie": stepCookie(c, step, maxAge) }),
        (problem) => messagePage("Not signed in", problem),
      );
    },
  }),
  route({
    method: "GET",
    path: OIDC_BACK,
    action: "public",
    summary: "Page: what the identity provider answers",
    async handle({ c, deps }) {
      const finish = async () => {
        try {
          return await requireOidc(deps).finish(new URL(c.req.url).search, stepOf(c), c.env.address);
        } catch (error) {
          recordFailure(c, deps, "oidc", "", error);
          throw error;
        }
      };
      const answer = await tried(
        finish,
        ({ user, next }) => welcome(c, deps, user, "oidc", nextOf(next)),
        (problem) => messagePage("Not signed in", problem),
      );
      answer.headers.append("Set-Cookie", stepCookie(c, "", 0));
      return answer;
    },
  }),
];

/** The link on the sign-in page. */
export function oidcLink(name: string, next: string | undefined): Html {
  const query = next === undefined ? "" : `?${new URLSearchParams({ next })}`;
  return html`<p><a href="oidc${query}">Sign in with ${name}</a></p>`;
}

// --- internal ---

/** @throws ApiError 404 */
function requireOidc({ oidc }: ApiDeps) {
  if (oidc) return oidc;
  throw new ApiError(404, "no_provider", "this gateway has no identity provider");
}

/** Binds the answer to this browser. The provider's page sends the browser back here, so it is `Lax`. */
function stepCookie(c: Context<Env>, step: string, maxAge: number): string {
  const secure = c.env.publicUrl.startsWith("https:");
  const options = { path: "/", httpOnly: true, sameSite: "lax", secure, maxAge } as const;
  return new Bun.Cookie(cookieName(c), step, options).toString();
}

function stepOf(c: Context<Env>): string | null {
  const name = cookieName(c);
  const values = (c.req.header("cookie") ?? "").split(";").map((pair) => pair.trim());
  const own = values.filter((pair) => pair.startsWith(`${name}=`));
  // With two, another site of the domain has set one of them.
  return own.length === 1 ? (own[0]?.slice(name.length + 1) ?? null) : null;
}

function cookieName(c: Context<Env>): string {
  return c.env.publicUrl.startsWith("https:") ? "__Host-rexec-oidc" : "rexec_oidc";
}
