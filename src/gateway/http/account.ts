/** `/api/account`: a user's own password and browser sessions. */
import type { Context } from "hono";
import {
  accountBody,
  changePasswordBody,
  endedSessionsBody,
  sessionListBody,
} from "../../protocol/http-users.ts";
import { checkLength } from "../auth/passwords.ts";
import type { Principal } from "../auth/principal.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, type Env, isId } from "./context.ts";
import { type Route, route } from "./route.ts";
import { sessionView, userView } from "./user-view.ts";

export const accountRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/account",
    action: "account:manage",
    summary: "Show the user's own account",
    answer: accountBody,
    async handle({ c, deps, principal: { user } }) {
      const has_password = (await deps.store.users.passwordHash(user.id)) !== null;
      return c.json({ user: userView(user), has_password });
    },
  }),
  route({
    method: "GET",
    path: "/api/account/sessions",
    action: "account:manage",
    summary: "List the sessions of the user's browsers",
    answer: sessionListBody,
    async handle({ c, deps, principal }) {
      const sessions = await deps.signIn.list(principal.user.id);
      const current = sessionOf(principal);
      return c.json({ sessions: sessions.map((session) => sessionView(session, current)) });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/account/sessions/:session",
    action: "account:manage",
    summary: "End one session; its sockets are closed",
    async handle({ c, deps, principal, param }) {
      await endSession(c, deps, principal, param("session"));
      return c.json({ message: "session ended" });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/account/sessions",
    action: "account:manage",
    summary: "End all sessions of the user but that of the request",
    answer: endedSessionsBody,
    async handle({ c, deps, principal }) {
      const ended = await deps.signIn.endAll(principal.user.id, sessionOf(principal));
      const { address } = c.env;
      deps.audit.record({ action: "sign_in.revoked", principal, address, details: { count: ended } });
      return c.json({ ended });
    },
  }),
  route({
    method: "PUT",
    path: "/api/account/password",
    action: "account:manage",
    summary: "Set the user's own password; all their other sessions end",
    body: changePasswordBody,
    async handle({ c, deps, principal, body }) {
      const ended = await changePassword(c, deps, principal, body);
      return c.json({ message: "password changed", sessions_ended: ended });
    },
  }),
];

/** The session that a request was made with; null for one with a token. */
export function sessionOf({ credential }: Principal): string | null {
  return credential.kind === "session" ? credential.id : null;
}

/** @throws ApiError 404 */
export async function endSession(
  c: Context<Env>,
  { signIn, audit }: ApiDeps,
  principal: Principal,
  given: string,
): Promise<void> {
  const id = given.toLowerCase();
  if (!isId(id) || !(await signIn.end(principal.user.id, id))) {
    throw new ApiError(404, "session_not_found", "you have no such session");
  }
  audit.record({ action: "sign_in.revoked", principal, address: c.env.address, target: id });
}

/**
 * Sets the caller's own password. An account that has one is asked for it.
 * @returns how many other sessions it ended
 * @throws ApiError 400, 401, 429, 503
 */
export async function changePassword(
  c: Context<Env>,
  { store, signIn, passwords, audit }: ApiDeps,
  principal: Principal,
  { current, password }: { current?: string | undefined; password: string },
): Promise<number> {
  const { user } = principal;
  const { address } = c.env;
  checkLength(password);
  if ((await store.users.passwordHash(user.id)) !== null) {
    if (current === undefined) throw new ApiError(400, "password_missing", "give the current password too");
    await signIn.confirmPassword(user, current, address);
  }
  await store.users.setPassword(user.id, await passwords.hash(password));
  const ended = await signIn.endAll(user.id, sessionOf(principal));
  const details = { sessions_ended: ended };
  audit.record({ action: "user.password_changed", principal, address, target: user.username, details });
  return ended;
}
