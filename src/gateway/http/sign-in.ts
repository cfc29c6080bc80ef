/** `/api/sign-in` and what belongs to it: from a password, link or invite to the cookie of a session, and the end of it. */
import type { Context } from "hono";
import * as z from "zod/mini";
import { secondStepBody } from "../../protocol/http-factors.ts";
import { acceptInviteBody, linkSignInBody, signedInBody, signInBody } from "../../protocol/http-users.ts";
import { requireOwnPage } from "../auth/same-origin.ts";
import { noSessionCookie, sessionCookie, sessionCookieFor } from "../auth/session-cookie.ts";
import { sessionCredential } from "../auth/session-source.ts";
import type { SignInMethod, SignInSessionRow } from "../store/sign-in-sessions.ts";
import type { UserRow } from "../store/users.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps, Env } from "./context.ts";
import { type Route, route } from "./route.ts";
import { SECOND_STEP_MS, secondStep } from "./second-step.ts";
import { sessionView, userView } from "./user-view.ts";

export const signInRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/sign-in",
    action: "public",
    summary: "Sign in by user name and password; the answer sets a cookie, or asks for a second factor (202)",
    body: signInBody,
    answer: z.union([signedInBody, secondStepBody]),
    async handle({ c, deps, body }) {
      const user = await proveByPassword(c, deps, body.username, body.password);
      const step = await secondStep(deps, user);
      if (step !== null) return c.json({ step, expires_in: SECOND_STEP_MS / 1000 }, 202);
      return signedIn(c, deps, user, "password");
    },
  }),
  route({
    method: "POST",
    path: "/api/sign-in/link",
    action: "public",
    summary: "Sign in by a login link, which works once; the answer sets a cookie",
    body: linkSignInBody,
    answer: signedInBody,
    async handle({ c, deps, body }) {
      const user = await proveByLink(c, deps, body.link);
      return signedIn(c, deps, user, "login_link");
    },
  }),
  route({
    method: "POST",
    path: "/api/invites/accept",
    action: "public",
    summary: "Accept an invite: make an account, and sign in to it; the answer sets a cookie",
    body: acceptInviteBody,
    answer: signedInBody,
    status: 201,
    async handle({ c, deps, body }) {
      const { link, ...wish } = body;
      const user = await proveByInvite(c, deps, link, wish);
      return signedIn(c, deps, user, "invite", 201);
    },
  }),
  route({
    method: "POST",
    path: "/api/sign-out",
    action: "public",
    summary: "End the session of the cookie, and remove the cookie",
    async handle({ c, deps }) {
      await signOut(c, deps);
      c.header("Set-Cookie", noSessionCookie(c.env.publicUrl));
      return c.json({ message: "signed out" });
    },
  }),
];

/** The user of the password. Records what happened. @throws ApiError 401, 403, 429, 503 */
export function proveByPassword(
  c: Context<Env>,
  deps: ApiDeps,
  username: string,
  password: string,
): Promise<UserRow> {
  return prove(c, deps, "password", username, () =>
    deps.signIn.byPassword(username, password, c.env.address),
  );
}

/** The user of a login link, which is used up. Records what happened. @throws ApiError 403, 410, 429 */
export function proveByLink(c: Context<Env>, deps: ApiDeps, link: string): Promise<UserRow> {
  return prove(c, deps, "login_link", "", () => deps.signIn.byLink(link, c.env.address));
}

/** The user that an invite makes. Records what happened. @throws ApiError 400, 403, 409, 410, 429, 503 */
export async function proveByInvite(
  c: Context<Env>,
  deps: ApiDeps,
  link: string,
  wish: { username: string; name?: string | undefined; password: string },
): Promise<UserRow> {
  const user = await prove(c, deps, "invite", "", () => deps.signIn.byInvite(link, wish, c.env.address));
  const details = { admin: user.is_admin };
  deps.audit.record({ action: "invite.accepted", address: c.env.address, target: user.username, details });
  return user;
}

/**
 * Opens a session for a user whose identity is proven in full, second factor included.
 * @returns the session, and the `Set-Cookie` of the answer
 * @throws ApiError 403
 */
export async function openSession(
  c: Context<Env>,
  { signIn, audit }: ApiDeps,
  user: UserRow,
  method: SignInMethod,
): Promise<{ session: SignInSessionRow; cookie: string }> {
  const { publicUrl, address } = c.env;
  const { headers } = c.req.raw;
  const from = { address, userAgent: headers.get("user-agent") ?? "" };
  const { session, secret } = await signIn.open(user, method, from, sessionCookie(headers, publicUrl));
  const principal = { user, credential: sessionCredential(session) };
  audit.record({ action: "sign_in", principal, address, target: user.username, details: { method } });
  return { session, cookie: sessionCookieFor(secret, publicUrl, Math.ceil(signIn.times.absoluteMs / 1000)) };
}

/** Ends the session of the request's cookie, where it has one. @throws ApiError 403 for the page of another site */
export async function signOut(c: Context<Env>, { signIn, audit }: ApiDeps): Promise<void> {
  requireOwnPage(c.req.raw.headers, c.env);
  const secret = sessionCookie(c.req.raw.headers, c.env.publicUrl);
  const ended = secret === null ? null : await signIn.endBySecret(secret);
  if (!ended) return;
  const { user, session } = ended;
  const principal = { user, credential: sessionCredential(session) };
  audit.record({ action: "sign_out", principal, address: c.env.address, target: user.username });
}

/** Opens a session, and answers with it. As `openSession`. */
export async function signedIn(
  c: Context<Env>,
  deps: ApiDeps,
  user: UserRow,
  method: SignInMethod,
  status: 200 | 201 = 200,
): Promise<Response> {
  const { session, cookie } = await openSession(c, deps, user, method);
  c.header("Set-Cookie", cookie);
  return c.json({ user: userView(user), session: sessionView(session, session.id) }, status);
}

/**
 * Writes a refused sign-in into the audit.
 * @param username as it was given; empty where none was. One of no user is left out: it may be a password
 */
export async function recordFailure(
  c: Context<Env>,
  { audit, store }: Pick<ApiDeps, "audit" | "store">,
  method: SignInMethod | "second_factor",
  username: string,
  error: unknown,
): Promise<void> {
  if (!(error instanceof ApiError)) return;
  const name = username.trim().toLowerCase();
  const target = name ? (await store.users.byName(name))?.username : undefined;
  const details = { method, reason: error.code };
  audit.record({ action: "sign_in_failed", address: c.env.address, target, details });
}

// --- internal ---

async function prove(
  c: Context<Env>,
  deps: ApiDeps,
  method: SignInMethod,
  username: string,
  work: () => Promise<UserRow>,
): Promise<UserRow> {
  requireOwnPage(c.req.raw.headers, c.env);
  try {
    return await work();
  } catch (error) {
    await recordFailure(c, deps, method, username, error);
    throw error;
  }
}
