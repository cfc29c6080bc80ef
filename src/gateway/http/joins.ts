/** `/api/joins`: tokens that register machines and do nothing else; and machines that wait to be accepted. */
import { acceptedBody, createdJoinBody, createJoinBody, joinListBody } from "../../protocol/http-joins.ts";
import { endWithin } from "../auth/principal.ts";
import { makeJoinToken } from "../auth/token.ts";
import { JOINS_OF_A_USER } from "../quotas.ts";
import { endOf, type JoinRow } from "../store/joins.ts";
import { ApiError } from "./api-error.ts";
import { isId } from "./context.ts";
import { PAGE_QUERY, readPage } from "./paging.ts";
import { agentOf, type Route, route } from "./route.ts";

const HOUR_SECONDS = 60 * 60;

export const joinRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/joins",
    action: "joins:manage",
    summary: "Make a join token, which registers machines and does nothing else; it is shown this once",
    body: createJoinBody,
    answer: createdJoinBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const made = makeJoinToken();
      const seconds = body.expires_in_seconds ?? HOUR_SECONDS;
      const end = new Date(Date.now() + seconds * 1_000).toISOString();
      const wish = {
        user_id: principal.user.id,
        description: body.description ?? "",
        tags: [...new Set(body.tags)],
        name_pattern: body.name_pattern ?? null,
        ephemeral: body.ephemeral ?? false,
        approve: body.approve ?? false,
        max_uses: body.uses === undefined ? 1 : body.uses,
        expires_at: endWithin(principal.credential, end) ?? end,
      };
      const join = await deps.store.joins.create(made, wish, JOINS_OF_A_USER);
      if (!join) {
        const message = `this account has ${JOINS_OF_A_USER} join tokens that can be used, and may have no more: revoke one`;
        throw new ApiError(403, "join_limit_reached", message);
      }
      deps.audit.record({
        action: "join.created",
        principal,
        address: c.env.address,
        target: join.token_prefix,
        details: {
          tags: join.tags.join(","),
          uses: join.max_uses,
          expires_at: join.expires_at,
          name_pattern: join.name_pattern,
          ephemeral: join.ephemeral,
          approve: join.approve,
        },
      });
      const message = "keep it now: it is shown this once";
      return c.json({ ...joinView(join), token: made.token, url: c.env.publicUrl, message }, 201);
    },
  }),
  route({
    method: "GET",
    path: "/api/joins",
    action: "joins:manage",
    summary: "List the user's join tokens, those of no use any more too",
    query: PAGE_QUERY,
    answer: joinListBody,
    async handle({ c, deps, principal }) {
      const joins = await readPage(c, (page) => deps.store.joins.listOfUser(principal.user.id, page));
      return c.json({ joins: joins.map(joinView) });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/joins/:join",
    action: "joins:manage",
    summary: "Revoke a join token; the machines that it has registered stay",
    async handle({ c, deps, principal, param }) {
      const id = param("join").toLowerCase();
      const join = isId(id) ? await deps.store.joins.get(id) : null;
      if (!join) throw new ApiError(404, "join_not_found", "no such join token");
      if (join.user_id !== principal.user.id) await deps.access.require(principal, "admin");
      await deps.store.joins.revoke(join.id);
      const target = join.token_prefix;
      deps.audit.record({ action: "join.revoked", principal, address: c.env.address, target });
      return c.json({ message: "join token revoked" });
    },
  }),
  route({
    method: "POST",
    path: "/api/agents/:id/accept",
    action: "agent:accept",
    summary: "Let a machine in that waits to be accepted",
    answer: acceptedBody,
    async handle(call) {
      const { c, deps, principal } = call;
      const agent = agentOf(call);
      if (!(await deps.store.agents.accept(agent.id))) {
        throw new ApiError(409, "not_pending", "this machine does not wait to be accepted: it is in already");
      }
      await deps.directory.publish({ type: "created", agentId: agent.id, userId: agent.user_id });
      deps.audit.record({ action: "agent.accepted", principal, address: c.env.address, agent });
      return c.json({ id: agent.id, name: agent.name, message: "accepted: it connects within seconds" });
    },
  }),
];

// --- internal ---

function joinView(join: JoinRow) {
  return {
    id: join.id,
    description: join.description,
    token_prefix: join.token_prefix,
    tags: join.tags,
    name_pattern: join.name_pattern,
    ephemeral: join.ephemeral,
    approve: join.approve,
    uses: join.uses,
    max_uses: join.max_uses,
    created_at: join.created_at,
    expires_at: join.expires_at,
    revoked_at: join.revoked_at ?? undefined,
    last_used_at: join.last_used_at ?? undefined,
    state: endOf(join) ?? "valid",
  };
}
