/** `/api/users`: what administrators do with accounts. */
import {
  createUserBody,
  madeLinkBody,
  patchUserBody,
  removedUserBody,
  setPasswordBody,
  userBody,
  userListBody,
} from "../../protocol/http-users.ts";
import { checkLength } from "../auth/passwords.ts";
import { loginLinkFor, loginLinkUrl } from "../first-start.ts";
import { type Quotas, USERS } from "../quotas.ts";
import type { Store } from "../store/store.ts";
import type { AgentsOfRemoved, UserRefusal, UserRow } from "../store/users.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps } from "./context.ts";
import { PAGE_QUERY, readPage } from "./paging.ts";
import { type Route, route } from "./route.ts";
import { userView } from "./user-view.ts";

export const userRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/users",
    action: "admin",
    summary: "List the users",
    query: PAGE_QUERY,
    answer: userListBody,
    async handle({ c, deps }) {
      const users = await readPage(c, (page) => deps.store.users.list(page));
      return c.json({ users: users.map(userView) });
    },
  }),
  route({
    method: "POST",
    path: "/api/users",
    action: "admin",
    summary: "Make a user; without a password they sign in by a login link",
    body: createUserBody,
    answer: userBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const { username, name, email, admin = false, password } = body;
      const passwordHash = password === undefined ? null : await deps.passwords.hash(password);
      const user = await deps.store.users.createWithin(
        { username, name, email, isAdmin: admin, passwordHash },
        USERS,
      );
      if (user === "name_taken") throw new ApiError(409, "name_taken", "another user has this name");
      if (user === "full") {
        throw new ApiError(
          403,
          "user_limit_reached",
          `this gateway has ${USERS} users, and may have no more`,
        );
      }
      const { address } = c.env;
      deps.audit.record({ action: "user.created", principal, address, target: username, details: { admin } });
      return c.json(userView(user), 201);
    },
  }),
  route({
    method: "GET",
    path: "/api/users/:user",
    action: "admin",
    summary: "Show one user, by id or user name",
    answer: userBody,
    handle: async ({ c, deps, param }) => c.json(userView(await userOf(param("user"), deps.store))),
  }),
  route({
    method: "PATCH",
    path: "/api/users/:user",
    action: "admin",
    summary: "Change a user: name, e-mail address, role, disabled; open sockets end within a second",
    body: patchUserBody,
    answer: userBody,
    async handle({ c, deps, principal, param, body }) {
      const before = await userOf(param("user"), deps.store);
      const { admin: isAdmin, ...rest } = body;
      const after = await deps.store.users.change(before.id, { ...rest, isAdmin });
      if (typeof after === "string") throw refusal(after, before, deps.quotas);
      if (after.disabled_at !== null && before.disabled_at === null) {
        const credentials = await credentialsOf(after.id, deps);
        await deps.store.signInSessions.revokeAll(after.id);
        await cutOff(credentials, deps);
      }
      await deps.directory.publish({ type: "access_changed", userId: after.id, agentId: null });
      const record = (action: string) =>
        deps.audit.record({ action, principal, address: c.env.address, target: after.username });
      if (after.disabled_at !== before.disabled_at)
        record(after.disabled_at === null ? "user.enabled" : "user.disabled");
      if (after.is_admin !== before.is_admin) record(after.is_admin ? "user.promoted" : "user.demoted");
      if (after.name !== before.name || after.email !== before.email) record("user.changed");
      return c.json(userView(after));
    },
  }),
  route({
    method: "DELETE",
    path: "/api/users/:user",
    action: "admin",
    summary: "Remove a user. One with agents is refused, unless the query says what becomes of those",
    query: {
      transfer_to: "The user, by id or name, who owns the agents from now on",
      with_agents: "true: the agents are removed too",
    },
    answer: removedUserBody,
    async handle({ c, deps, principal, param }) {
      const user = await userOf(param("user"), deps.store);
      const heir = await heirOf(c.req.query("transfer_to"), user, deps);
      const fate = fateOf(heir, c.req.query("with_agents"), deps.quotas);
      const credentials = await credentialsOf(user.id, deps);
      const removed = await deps.store.users.remove(user.id, fate);
      if (typeof removed === "string") throw refusal(removed, user, deps.quotas);
      await cutOff(credentials, deps);
      await deps.directory.publish({ type: "access_changed", userId: user.id, agentId: null });
      for (const agentId of removed.agents) {
        await deps.directory.publish(
          heir
            ? { type: "transferred", agentId, userId: heir.id }
            : { type: "deleted", agentId, userId: user.id },
        );
      }
      const { address } = c.env;
      const details = { agents: removed.agents.length, transferred_to: heir?.username ?? null };
      deps.audit.record({ action: "user.removed", principal, address, target: user.username, details });
      return c.json({ agents: removed.agents.length, transferred_to: heir?.username });
    },
  }),
  route({
    method: "PUT",
    path: "/api/users/:user/password",
    action: "admin",
    summary: "Set a user's password; all their sessions end",
    body: setPasswordBody,
    async handle({ c, deps, principal, param, body }) {
      const user = await userOf(param("user"), deps.store);
      checkLength(body.password);
      await deps.store.users.setPassword(user.id, await deps.passwords.hash(body.password));
      const ended = await deps.signIn.endAll(user.id);
      const { address } = c.env;
      const details = { sessions_ended: ended };
      deps.audit.record({
        action: "user.password_changed",
        principal,
        address,
        target: user.username,
        details,
      });
      return c.json({ message: "password set", sessions_ended: ended });
    },
  }),
  route({
    method: "POST",
    path: "/api/users/:user/login-link",
    action: "admin",
    summary: "Make a login link of a user, which works once; older ones count no more",
    answer: madeLinkBody,
    status: 201,
    async handle({ c, deps, principal, param }) {
      const user = await userOf(param("user"), deps.store);
      if (user.disabled_at !== null) throw new ApiError(409, "user_disabled", "this user is disabled");
      const { secret, expires_at } = await loginLinkFor(deps.store, user);
      const { address, publicUrl } = c.env;
      deps.audit.record({ action: "login_link.created", principal, address, target: user.username });
      return c.json({ url: loginLinkUrl(publicUrl, secret), expires_at }, 201);
    },
  }),
];

// --- internal ---

/** @throws ApiError 404 */
export async function userOf(reference: string, { users }: Pick<Store, "users">): Promise<UserRow> {
  const user = await users.find(reference.toLowerCase());
  if (!user) throw new ApiError(404, "user_not_found", "no such user");
  return user;
}

/** The sessions and tokens of the user that sockets may be open with. Tokens of agents are not among them. */
async function credentialsOf(userId: string, { store, signIn }: ApiDeps): Promise<string[]> {
  const sessions = await signIn.list(userId);
  const tokens = (await store.tokens.listOfUser(userId)).filter(
    ({ agent_id, revoked_at }) => agent_id === null && revoked_at === null,
  );
  return [...sessions, ...tokens].map(({ id }) => id);
}

/** Closes the sockets that were opened with the credentials. */
async function cutOff(credentials: readonly string[], { directory }: ApiDeps): Promise<void> {
  for (const id of credentials) await directory.publish({ type: "credential_revoked", id });
}

/** @throws ApiError 400, 404, 409 */
async function heirOf(
  reference: string | undefined,
  user: UserRow,
  { store }: ApiDeps,
): Promise<UserRow | null> {
  if (reference === undefined) return null;
  const heir = await userOf(reference, store);
  if (heir.id === user.id) throw new ApiError(400, "bad_transfer", "transfer the agents to another user");
  if (heir.disabled_at !== null) throw new ApiError(409, "user_disabled", "the other user is disabled");
  return heir;
}

/** @throws ApiError 400 */
function fateOf(heir: UserRow | null, withAgents: string | undefined, { agents }: Quotas): AgentsOfRemoved {
  if (withAgents !== undefined && (withAgents !== "true" || heir)) {
    throw new ApiError(400, "bad_transfer", "give transfer_to=USER or with_agents=true");
  }
  if (heir) return { do: "transfer", to: heir.id, most: agents };
  return { do: withAgents ? "delete" : "refuse" };
}

function refusal(why: UserRefusal, { username }: UserRow, { agents }: Quotas): ApiError {
  switch (why) {
    case "not_found":
      return new ApiError(404, "user_not_found", "no such user");
    case "last_admin":
      return new ApiError(409, "last_admin", `${username} is the last administrator: make another one first`);
    case "has_agents":
      return new ApiError(
        409,
        "has_agents",
        `${username} has agents: transfer them to another user (transfer_to), or remove them too (with_agents)`,
      );
    case "target_full":
      return new ApiError(403, "agent_limit_reached", `the other user would have more than ${agents} agents`);
  }
}
