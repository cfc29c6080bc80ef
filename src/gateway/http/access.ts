/** `/api/grants` and `/api/groups`: what users and groups may do with agents. */

import * as z from "zod/mini";
import { messageBody } from "../../protocol/http.ts";
import { createdGrantBody, grantListBody, groupBody, groupListBody } from "../../protocol/http-access.ts";
import { COUNTS, exact, givenName, LENGTHS } from "../../protocol/values.ts";
import { isAdministrator } from "../auth/access.ts";
import { tagOf } from "../auth/agent-selector.ts";
import type { Principal } from "../auth/principal.ts";
import { LEVELS } from "../auth/scopes.ts";
import { GRANTS_OF_USER, GROUPS, MEMBERS_OF_GROUP } from "../quotas.ts";
import type { NamedGrantRow } from "../store/grants.ts";
import type { GroupRow } from "../store/groups.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, findAgent, isId } from "./context.ts";
import { type Route, route } from "./route.ts";
import { userOf } from "./users.ts";

/** One of `user` and `group`; `target` is the id of an agent, or `tag:NAME`. */
const createGrantBody = z.object({
  user: z.optional(exact(LENGTHS.name, 1)),
  group: z.optional(exact(LENGTHS.name, 1)),
  target: exact(LENGTHS.tag + 4, 1),
  level: z.enum(LEVELS),
});

const createGroupBody = z.object({ name: givenName });

const memberBody = z.object({ user: exact(LENGTHS.name, 1) });

export const accessRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/grants",
    action: "profile:read",
    summary: "List rights: those that the user has or has given, and of an administrator all",
    answer: grantListBody,
    async handle({ c, deps, principal }) {
      const of = isAdministrator(principal) ? null : principal.user.id;
      const grants = await deps.store.grants.list(of, COUNTS.listed);
      return c.json({ grants: grants.map(grantView) });
    },
  }),
  route({
    method: "POST",
    path: "/api/grants",
    action: "any",
    summary: "Give a user or a group a right over an agent, or over all agents with a tag",
    answer: createdGrantBody,
    body: createGrantBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const over = await targetOf(principal, body.target, deps);
      const subject = await subjectOf(body, deps);
      const grant = await deps.store.grants.give(
        { ...over, ...subject.ids, level: body.level, created_by: principal.user.id },
        GRANTS_OF_USER,
      );
      if (!grant) {
        const message = `this account has given ${GRANTS_OF_USER} rights, and may give no more: take one back`;
        throw new ApiError(403, "grant_limit_reached", message);
      }
      await deps.directory.publish({ type: "access_changed", userId: null, agentId: over.agent_id });
      const details = { to: subject.name, level: body.level };
      deps.audit.record({
        action: "grant.created",
        principal,
        address: c.env.address,
        target: body.target,
        details,
      });
      return c.json({ id: grant.id, level: grant.level, target: body.target, to: subject.name }, 201);
    },
  }),
  route({
    method: "DELETE",
    path: "/api/grants/:grant",
    action: "any",
    summary: "Take a right back; open terminals end within a second",
    answer: messageBody,
    async handle({ c, deps, principal, param }) {
      const id = param("grant").toLowerCase();
      const grant = isId(id) ? await deps.store.grants.get(id) : null;
      if (!grant) throw new ApiError(404, "grant_not_found", "no such grant");
      // One over the agents of all users is the administrators', whoever of them gave it.
      const isForAll = grant.tag !== null && grant.owner_id === null;
      const isOwn = grant.created_by === principal.user.id && !isForAll;
      if (!isOwn || principal.credential.only.length > 0) {
        await (grant.agent_id === null
          ? deps.access.require(principal, "admin")
          : deps.access.require(principal, "agent:manage", await findAgent(deps.store, grant.agent_id)));
      } else {
        await deps.access.require(principal, "agents:register");
      }
      await deps.store.grants.take(grant.id);
      await deps.directory.publish({ type: "access_changed", userId: null, agentId: grant.agent_id });
      const target = grant.agent_id ?? `tag:${grant.tag}`;
      deps.audit.record({ action: "grant.removed", principal, address: c.env.address, target });
      return c.json({ message: "right taken back" });
    },
  }),
  route({
    method: "GET",
    path: "/api/groups",
    action: "profile:read",
    summary: "List the groups, and of an administrator their members",
    answer: groupListBody,
    async handle({ c, deps, principal }) {
      const groups = await deps.store.groups.list();
      if (!isAdministrator(principal))
        return c.json({ groups: groups.map(({ id, name }) => ({ id, name })) });
      const members = Map.groupBy(await deps.store.groups.members(), ({ group_id }) => group_id);
      return c.json({
        groups: groups.map((group) => ({
          ...group,
          members: (members.get(group.id) ?? []).map(({ username }) => username),
        })),
      });
    },
  }),
  route({
    method: "POST",
    path: "/api/groups",
    action: "admin",
    summary: "Make a group",
    answer: groupBody,
    body: createGroupBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const group = await deps.store.groups.create(body.name, GROUPS);
      if (!group) {
        const message = `there is a group of that name already, or there are ${GROUPS} groups`;
        throw new ApiError(409, "group_exists", message);
      }
      deps.audit.record({ action: "group.created", principal, address: c.env.address, target: group.name });
      return c.json(group, 201);
    },
  }),
  route({
    method: "DELETE",
    path: "/api/groups/:group",
    action: "admin",
    summary: "Remove a group, and the rights that it had",
    answer: messageBody,
    async handle({ c, deps, principal, param }) {
      const group = await groupOf(param("group"), deps);
      await deps.store.groups.delete(group.id);
      await deps.directory.publish({ type: "access_changed", userId: null, agentId: null });
      deps.audit.record({ action: "group.removed", principal, address: c.env.address, target: group.name });
      return c.json({ message: "group removed" });
    },
  }),
  route({
    method: "POST",
    path: "/api/groups/:group/members",
    action: "admin",
    summary: "Put a user into a group",
    answer: messageBody,
    body: memberBody,
    async handle({ c, deps, principal, param, body }) {
      const group = await groupOf(param("group"), deps);
      const user = await userOf(body.user, deps.store);
      if (!(await deps.store.groups.add(group.id, user.id, MEMBERS_OF_GROUP))) {
        throw new ApiError(403, "member_limit_reached", `a group has ${MEMBERS_OF_GROUP} members at most`);
      }
      const target = `${group.name}: ${user.username}`;
      deps.audit.record({ action: "group.member_added", principal, address: c.env.address, target });
      return c.json({ message: `${user.username} is in ${group.name}` });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/groups/:group/members/:user",
    action: "admin",
    summary: "Take a user out of a group",
    answer: messageBody,
    async handle({ c, deps, principal, param }) {
      const group = await groupOf(param("group"), deps);
      const user = await userOf(param("user"), deps.store);
      await deps.store.groups.remove(group.id, user.id);
      await deps.directory.publish({ type: "access_changed", userId: user.id, agentId: null });
      const target = `${group.name}: ${user.username}`;
      deps.audit.record({ action: "group.member_removed", principal, address: c.env.address, target });
      return c.json({ message: `${user.username} is not in ${group.name}` });
    },
  }),
];

// --- internal ---

/** What the right is over: a member gives tags of its own agents only. @throws ApiError 400, 403, 404 */
async function targetOf(principal: Principal, target: string, { access, store }: ApiDeps) {
  const tag = tagOf(target);
  if (tag === null) {
    const agent = await findAgent(store, target);
    await access.require(principal, "agent:manage", agent);
    return { agent_id: agent.id, tag: null, owner_id: null };
  }
  if (tag === "") throw new ApiError(400, "bad_target", "a tag has a name: tag:prod");
  if (isAdministrator(principal)) {
    await access.require(principal, "admin");
    return { agent_id: null, tag, owner_id: null };
  }
  await access.require(principal, "agents:register");
  return { agent_id: null, tag, owner_id: principal.user.id };
}

/** @throws ApiError 400, 404 */
async function subjectOf(
  { user, group }: { user?: string | undefined; group?: string | undefined },
  deps: ApiDeps,
) {
  if ((user === undefined) === (group === undefined)) {
    throw new ApiError(400, "bad_body", "give a user or a group");
  }
  if (user !== undefined) {
    const found = await userOf(user, deps.store);
    return { ids: { user_id: found.id, group_id: null }, name: found.username };
  }
  const found = await groupOf(group ?? "", deps);
  return { ids: { user_id: null, group_id: found.id }, name: `group ${found.name}` };
}

/** @throws ApiError 404 */
async function groupOf(reference: string, { store }: ApiDeps): Promise<GroupRow> {
  const group = await store.groups.find(reference);
  if (!group) throw new ApiError(404, "group_not_found", "no such group");
  return group;
}

function grantView(grant: NamedGrantRow) {
  return {
    id: grant.id,
    user: grant.user_name ?? undefined,
    group: grant.group_name ?? undefined,
    target: grant.agent_id ?? `tag:${grant.tag}`,
    agent_name: grant.agent_name ?? undefined,
    own_agents_only: grant.owner_id === null ? undefined : true,
    level: grant.level,
    created_at: grant.created_at,
  };
}
