/**
 * `PATCH /api/agents/{id}`: name, description and tags. Rights go by tags, and people go by names, so what a machine may
 * say of itself with its own token is less than what its owner may say of it.
 */
import type * as z from "zod/mini";
import { matchesName } from "../../lib/name-pattern.ts";
import { patchAgentBody, patchedAgentBody } from "../../protocol/http.ts";
import { COUNTS } from "../../protocol/values.ts";
import type { Principal } from "../auth/principal.ts";
import { type AgentChanges, type AgentRow, shownTags } from "../store/agents.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps } from "./context.ts";
import { namesakeWarning } from "./namesake.ts";
import { agentOf, type Route, route } from "./route.ts";

export const descriptionRoutes: readonly Route[] = [
  route({
    method: "PATCH",
    path: "/api/agents/:id",
    action: "agent:describe",
    summary: "Change an agent's name, description or tags",
    answer: patchedAgentBody,
    body: patchAgentBody,
    async handle(call) {
      const { c, deps, principal, body } = call;
      const agent = agentOf(call);
      const isOwn = principal.credential.agentId === agent.id;
      const changes = isOwn ? ownChanges(agent, body) : changesOf(agent, body);
      await deps.store.agents.update(agent.id, changes);
      const { user_id: userId, id: agentId } = agent;
      await deps.directory.publish({ type: "updated", agentId, userId });
      // Rights and restrictions may go by tags.
      if (changes.tags) await deps.directory.publish({ type: "access_changed", userId: null, agentId });
      const now = { ...agent, ...changes };
      record(deps, { principal, address: c.env.address }, agent, now);
      const tags = shownTags(now);
      const renamed = now.name === agent.name ? undefined : await namesakeWarning(deps.store, now);
      const warning = renamed ?? (isOwn ? keptWarning(agent, wantedTags(agent, body)) : undefined);
      const { id, name, description } = now;
      return c.json({ id, name, description, tags, message: "agent updated", ...warning });
    },
  }),
];

// --- internal ---

type Wish = z.infer<typeof patchAgentBody>;

/**
 * By the owner. A tag that the agent gave itself stays its own where a whole list names it: a client that writes back what
 * it has read gives no right by that. `add_tags` does.
 */
function changesOf(agent: AgentRow, { name, description, ...wish }: Wish): AgentChanges {
  const tags = wantedTags(agent, wish);
  const given = wish.tags === undefined ? (wish.add_tags ?? []) : [];
  const own_tags = tags?.filter((tag) => agent.own_tags.includes(tag) && !given.includes(tag)) ?? [];
  return {
    ...(name === undefined ? {} : { name }),
    ...(description === undefined ? {} : { description }),
    ...(tags === undefined ? {} : { tags: tags.filter((tag) => !own_tags.includes(tag)), own_tags }),
  };
}

/**
 * By the agent's own token. The tags that it was given stay; those that it gives itself are shown and decide nothing. One
 * that came by a join token gives itself none, and a name that fits that token.
 * @throws ApiError 403
 */
function ownChanges(agent: AgentRow, wish: Wish): AgentChanges {
  const { name, description } = wish;
  const { name_pattern } = agent;
  if (agent.pending) {
    throw new ApiError(
      403,
      "agent_pending",
      "this machine waits to be accepted, and changes nothing until then",
    );
  }
  if (name !== undefined && name_pattern !== null && !matchesName(name_pattern, name)) {
    const message = `this machine joined by a token for names like ${JSON.stringify(name_pattern)}: its owner alone gives it another (rexec rename)`;
    throw new ApiError(403, "name_locked", message);
  }
  const texts = changesOf(agent, { name, description });
  const tags = wantedTags(agent, wish);
  if (tags === undefined) return texts;
  const own_tags = tags.filter((tag) => !agent.tags.includes(tag));
  if (agent.joined_by !== null && own_tags.length > 0) {
    const message = `this machine joined by a token that gives it its tags: its owner alone changes them (rexec tag), and it is not given ${own_tags.join(", ")}`;
    throw new ApiError(403, "tags_locked", message);
  }
  return { ...texts, own_tags };
}

/**
 * All tags that the agent is to have, each once; undefined where nothing is said of them.
 * @throws ApiError 400 for too many, and for two ways at once
 */
function wantedTags(agent: AgentRow, { tags, add_tags = [], remove_tags = [] }: Wish): string[] | undefined {
  const isChange = add_tags.length + remove_tags.length > 0;
  if (tags !== undefined && isChange) {
    throw new ApiError(
      400,
      "bad_body",
      "tags is the whole list: give either that, or add_tags and remove_tags",
    );
  }
  if (!isChange) return tags && [...new Set(tags)];
  const kept = shownTags(agent).filter((tag) => !remove_tags.includes(tag));
  const all = [...new Set([...kept, ...add_tags])];
  if (all.length <= COUNTS.tags) return all;
  throw new ApiError(400, "bad_body", `an agent may have ${COUNTS.tags} tags`);
}

/** The given tags that an agent wanted to be rid of. */
function keptWarning(agent: AgentRow, wanted: readonly string[] | undefined) {
  const kept = wanted ? agent.tags.filter((tag) => !wanted.includes(tag)) : [];
  if (kept.length === 0) return undefined;
  return { warning: `the tags ${kept.join(", ")} were given to this agent: its owner alone takes them off` };
}

function record(
  { audit }: ApiDeps,
  by: { principal: Principal; address: string },
  before: AgentRow,
  after: AgentRow,
): void {
  const agent = before;
  if (after.name !== before.name) {
    const details = { from: before.name, to: after.name };
    audit.record({ action: "agent.renamed", ...by, agent, target: after.name, details });
  }
  const details = { from: before.tags.join(","), to: after.tags.join(","), own: after.own_tags.join(",") };
  if (details.from !== details.to || details.own !== before.own_tags.join(",")) {
    audit.record({ action: "agent.tagged", ...by, agent, details });
  }
  if (after.description !== before.description) audit.record({ action: "agent.described", ...by, agent });
}
