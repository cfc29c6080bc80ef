/** The gateway's own pages. Forms do what the API does, by the same functions, and answer with a page. */
import type { Context } from "hono";
import { acceptInviteBody } from "../../../protocol/http-users.ts";
import { reasonOf } from "../../../protocol/parse.ts";
import type { Principal } from "../../auth/principal.ts";
import { noSessionCookie, sessionCookie } from "../../auth/session-cookie.ts";
import type { SignInMethod } from "../../store/sign-in-sessions.ts";
import type { UserRow } from "../../store/users.ts";
import { changePassword, endSession, sessionOf } from "../account.ts";
import { ApiError } from "../api-error.ts";
import { type ApiDeps, authenticate, type Env } from "../context.ts";
import { type Route, route } from "../route.ts";
import { openSession, proveByInvite, proveByLink, proveByPassword, signOut } from "../sign-in.ts";
import { accountPage } from "./account.ts";
import { goTo } from "./page.ts";
import {
  invitePage,
  LINK_SCRIPT,
  LINK_SCRIPT_NAME,
  loginLinkPage,
  messagePage,
  type Problem,
  signInPage,
} from "./sign-in.ts";

export const pageRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/sign-in",
    action: "public",
    summary: "Page: sign in by a password",
    async handle({ c, deps }) {
      const next = nextOf(c.req.query("next"));
      return (await signedInAs(c, deps)) ? goTo(next ?? "account") : signInPage({ next });
    },
  }),
  route({
    method: "POST",
    path: "/sign-in",
    action: "public",
    summary: "Form: sign in by a password",
    async handle({ c, deps }) {
      const form = await formOf(c);
      const username = form.get("username") ?? "";
      const next = nextOf(form.get("next"));
      return tried(
        () => proveByPassword(c, deps, username, form.get("password") ?? ""),
        (user) => welcome(c, deps, user, "password", next),
        (problem) => signInPage({ username: username.slice(0, 64), next, problem }),
      );
    },
  }),
  route({
    method: "GET",
    path: "/login-link",
    action: "public",
    summary: "Page: sign in by a login link. The link is used by the form alone, not by a look at the page",
    handle: () => loginLinkPage(),
  }),
  route({
    method: "POST",
    path: "/login-link",
    action: "public",
    summary: "Form: sign in by a login link",
    async handle({ c, deps }) {
      const link = (await formOf(c)).get("link") ?? "";
      return tried(
        () => proveByLink(c, deps, link),
        (user) => welcome(c, deps, user, "login_link"),
        (problem) => loginLinkPage(problem),
      );
    },
  }),
  route({
    method: "GET",
    path: "/invite",
    action: "public",
    summary: "Page: accept an invite",
    handle: () => invitePage({}),
  }),
  route({
    method: "POST",
    path: "/invite",
    action: "public",
    summary: "Form: accept an invite",
    async handle({ c, deps }) {
      const form = await formOf(c);
      const given = {
        link: form.get("link") ?? "",
        username: form.get("username") ?? "",
        name: form.get("name")?.trim() || undefined,
        password: form.get("password") ?? "",
      };
      const prove = () => {
        const parsed = acceptInviteBody.safeParse(given);
        if (!parsed.success) throw new ApiError(400, "bad_body", reasonOf(parsed.error));
        const { link, ...wish } = parsed.data;
        return proveByInvite(c, deps, link, wish);
      };
      const again = (problem: Problem) => {
        const { link, username, name } = given;
        return invitePage({ problem, link: problem.status === 410 ? undefined : link, username, name });
      };
      return tried(prove, (user) => welcome(c, deps, user, "invite"), again);
    },
  }),
  route({
    method: "GET",
    path: `/${LINK_SCRIPT_NAME}`,
    action: "public",
    summary: "Script of the pages with a link",
    handle: ({ c }) => c.body(LINK_SCRIPT, 200, { "Content-Type": "text/javascript; charset=utf-8" }),
  }),
  route({
    method: "GET",
    path: "/account",
    action: "public",
    summary: "Page: the signed-in user's account and sessions",
    async handle({ c, deps }) {
      const principal = await signedInAs(c, deps);
      return principal ? showAccount(deps, principal) : goTo("sign-in?next=account");
    },
  }),
  route({
    method: "POST",
    path: "/account",
    action: "public",
    summary: "Form: end a session, or change the password",
    async handle({ c, deps }) {
      const principal = await signedInAs(c, deps);
      if (!principal) return goTo("sign-in?next=account");
      const form = await formOf(c);
      const end = form.get("end");
      const change = async () => {
        await deps.access.require(principal, "account:manage");
        if (end !== null) return endSession(c, deps, principal, end).then(() => "The session is ended.");
        const current = form.get("current") ?? undefined;
        await changePassword(c, deps, principal, { current, password: form.get("password") ?? "" });
        return "Your password is set. Your other sessions are ended.";
      };
      return tried(
        change,
        (note) => showAccount(deps, principal, { note }),
        (problem) => showAccount(deps, principal, { problem }),
      );
    },
  }),
  route({
    method: "POST",
    path: "/sign-out",
    action: "public",
    summary: "Form: sign out",
    handle: ({ c, deps }) =>
      tried(
        () => signOut(c, deps),
        () => goTo("sign-in", { "Set-Cookie": noSessionCookie(c.env.publicUrl) }),
        (problem) => messagePage("Not signed out", problem),
      ),
  }),
];

/**
 * The caller of a page, by the cookie; null for one who is to sign in first.
 * @throws ApiError 403 for what the page of another site sends
 */
export async function signedInAs(c: Context<Env>, deps: ApiDeps): Promise<Principal | null> {
  if (sessionCookie(c.req.raw.headers, c.env.publicUrl) === null) return null;
  try {
    const principal = await authenticate(c, deps);
    return sessionOf(principal) === null ? null : principal;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return null;
    throw error;
  }
}

/** Opens the session, and sends the browser on to its next page. */
export async function welcome(
  c: Context<Env>,
  deps: ApiDeps,
  user: UserRow,
  method: SignInMethod,
  next = "account",
): Promise<Response> {
  const { cookie } = await openSession(c, deps, user, method);
  return goTo(next, { "Set-Cookie": cookie });
}

/** A page of this gateway to go on to: relative, below the sign-in page's folder; undefined for anything else. */
export function nextOf(given: string | null | undefined): string | undefined {
  return given && given.length <= 512 && /^[a-z][a-z0-9-]*(\?[\w=&%.~-]*)?$/i.test(given) ? given : undefined;
}

/** The fields of a form. @throws ApiError 415 */
export async function formOf(c: Context<Env>): Promise<URLSearchParams> {
  const type = c.req.header("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/x-www-form-urlencoded") {
    throw new ApiError(415, "bad_form", "send the form as application/x-www-form-urlencoded");
  }
  return new URLSearchParams(await c.req.text());
}

/** Does what a form asks for; a refusal is shown on the page again. */
export async function tried<T>(
  work: () => T | Promise<T>,
  done: (result: T) => Response | Promise<Response>,
  again: (problem: Problem) => Response | Promise<Response>,
): Promise<Response> {
  try {
    return await done(await work());
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { status, message, headers } = error;
    return again({ status, message: `${message.charAt(0).toUpperCase()}${message.slice(1)}.`, headers });
  }
}

// --- internal ---

async function showAccount(
  { store, signIn }: ApiDeps,
  principal: Principal,
  said: { problem?: Problem; note?: string } = {},
): Promise<Response> {
  const { user } = principal;
  return accountPage({
    user,
    sessions: await signIn.list(user.id),
    currentSession: sessionOf(principal) ?? "",
    hasPassword: (await store.users.passwordHash(user.id)) !== null,
    ...said,
  });
}
