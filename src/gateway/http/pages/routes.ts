/** The gateway's own pages. Forms do what the API does, by the same functions, and answer with a page. */
import type { Context } from "hono";
import { acceptInviteBody } from "../../../protocol/http-users.ts";
import { reasonOf } from "../../../protocol/parse.ts";
import type { Principal } from "../../auth/principal.ts";
import { noSessionCookie } from "../../auth/session-cookie.ts";
import { relyingPartyOf } from "../../sign-in/passkeys.ts";
import type { UserRow } from "../../store/users.ts";
import { changePassword, endSession, sessionOf } from "../account.ts";
import { ApiError } from "../api-error.ts";
import type { ApiDeps, Env } from "../context.ts";
import { type Route, route } from "../route.ts";
import { secondStep } from "../second-step.ts";
import { proveByInvite, proveByLink, proveByPassword, signOut } from "../sign-in.ts";
import { accountPage } from "./account.ts";
import { passkeyButton, secondFactorPage } from "./factors.ts";
import { formOf, nextOf, signedInAs, signedInForm, signedInPage, tried, welcome } from "./forms.ts";
import { html } from "./html.ts";
import { oidcLink } from "./oidc-routes.ts";
import { goTo } from "./page.ts";
import { PASSKEY_SCRIPT_NAME } from "./passkey-script.ts";
import {
  invitePage,
  LINK_SCRIPT,
  LINK_SCRIPT_NAME,
  loginLinkPage,
  messagePage,
  type Problem,
  type SignInPage,
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
      return (await signedInAs(c, deps))
        ? goTo(next ?? "account")
        : signInPage({ next, ...others(c, deps, next) });
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
        (user) => afterPassword(c, deps, user, next),
        (problem) => signInPage({ username: username.slice(0, 64), next, problem, ...others(c, deps, next) }),
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
    handle: ({ c, deps }) => signedInPage(c, deps, "account", (principal) => showAccount(deps, principal)),
  }),
  route({
    method: "POST",
    path: "/account",
    action: "public",
    summary: "Form: end a session, or change the password",
    handle: ({ c, deps }) =>
      signedInForm(
        c,
        deps,
        "account",
        async (principal, form) =>
          showAccount(deps, principal, { note: await changeAccount(c, deps, principal, form) }),
        (principal, problem) => showAccount(deps, principal, { problem }),
      ),
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

// --- internal ---

/** On to the second factor, where the user has one. */
async function afterPassword(
  c: Context<Env>,
  deps: ApiDeps,
  user: UserRow,
  next: string | undefined,
): Promise<Response> {
  const step = await secondStep(deps, user);
  return step === null ? welcome(c, deps, user, "password", next) : secondFactorPage(step, next);
}

/** The ways to sign in beside the password. */
function others(
  c: Context<Env>,
  { oidc }: ApiDeps,
  next: string | undefined,
): Pick<SignInPage, "others" | "script"> {
  const hasPasskeys = typeof relyingPartyOf(c.env.publicUrl) !== "string";
  const links = oidc ? [oidcLink(oidc.name, next)] : [];
  if (!hasPasskeys) return { others: links };
  return { others: [...links, passkeyButton(next)], script: PASSKEY_SCRIPT_NAME };
}

/** @returns what the page says of it */
async function changeAccount(
  c: Context<Env>,
  deps: ApiDeps,
  principal: Principal,
  form: URLSearchParams,
): Promise<string> {
  await deps.access.require(principal, "account:manage");
  const end = form.get("end");
  if (end !== null) {
    await endSession(c, deps, principal, end);
    return "The session is ended.";
  }
  const current = form.get("current") ?? undefined;
  await changePassword(c, deps, principal, { current, password: form.get("password") ?? "" });
  return "Your password is set. Your other sessions are ended.";
}

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
    sections: [
      html`<h2>Second factor and passkeys</h2>
<p><a href="factors">Show and change them</a></p>`,
    ],
    ...said,
  });
}
