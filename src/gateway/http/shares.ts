/** `/api/shares`: one session of an agent for guests, by a token of its own. */
import * as z from "zod/mini";
import { exact, givenName, LENGTHS } from "../../protocol/values.ts";
import { isAdministrator } from "../auth/access.ts";
import { makeShareToken } from "../auth/token.ts";
import { SHARES_OF_USER } from "../quotas.ts";
import { checkShared } from "../sockets/share-admission.ts";
import type { AgentRow } from "../store/agents.ts";
import { isOver, SHARE_LEVELS, type ShareRow } from "../store/shares.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, isId } from "./context.ts";
import { sharePage } from "./pages/share.ts";
import { PAGE_QUERY, pageOf, pageWish } from "./paging.ts";
import { agentOf, type KnownCall, type Route, route } from "./route.ts";
import { runningSession } from "./sessions.ts";

const HOUR_S = 60 * 60;
/** The longest life of a share, seconds. */
const LONGEST_S = 30 * 24 * HOUR_S;

/** `expires_in_seconds`: 10 s to 30 days. */
const createShareBody = z.object({
  level: z._default(z.enum(SHARE_LEVELS), "view"),
  name: z.optional(givenName),
  expires_in_seconds: z._default(z.int().check(z.minimum(10), z.maximum(LONGEST_S)), HOUR_S),
});

const shareBody = z.object({
  id: exact(LENGTHS.id),
  name: z.string(),
  level: z.enum(SHARE_LEVELS),
  session: z.string(),
  agent: z.object({ id: z.string(), name: z.string() }),
  by: z.string(),
  /** `ended`: its session has. */
  state: z.enum(["live", "ended", "revoked", "expired"]),
  created_at: z.string(),
  expires_at: z.string(),
  last_used_at: z.optional(z.string()),
  uses: z.number(),
});

const shareListBody = z.object({ shares: z.array(shareBody) });

export const shareRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/agents/:id/sessions/:session/shares",
    action: "agent:share",
    summary: "Share a session: with its link or token a guest sees that session alone, until it ends",
    body: createShareBody,
    answer: z.extend(shareBody, { token: z.string(), link: z.string() }),
    status: 201,
    async handle(call) {
      const { c, deps, principal, body } = call;
      const agent = agentOf(call);
      // A guest may do no more than this very credential: one without terminals gives none away.
      await deps.access.require(principal, body.level === "view" ? "agent:watch" : "agent:use", agent);
      const { session, instance } = await runningSession(call);
      const made = makeShareToken();
      const share = await deps.store.shares.createWithin(
        made.hash,
        {
          user_id: principal.user.id,
          agent_id: agent.id,
          session,
          instance,
          name: body.name ?? principal.user.username,
          level: body.level,
          expires_at: expiryOf(body.expires_in_seconds, principal.credential.expiresAt),
        },
        SHARES_OF_USER,
      );
      if (!share) {
        const message = `this account has ${SHARES_OF_USER} shares, and may have no more: revoke one`;
        throw new ApiError(403, "share_limit_reached", message);
      }
      record(call, agent, share, "share.created");
      const link = `${c.env.publicUrl}/share#${made.token}`;
      return c.json(
        { ...shareView(share, agent.name, principal.user.username), token: made.token, link },
        201,
      );
    },
  }),
  route({
    method: "GET",
    path: "/api/agents/:id/sessions/:session/shares",
    action: "agent:share",
    summary: "List the shares of a session: the caller's own, and of a manager of the agent all",
    query: PAGE_QUERY,
    answer: shareListBody,
    async handle(call) {
      const { deps, principal } = call;
      const agent = agentOf(call);
      const isManager = await deps.access.may(principal, "agent:manage", agent);
      const session = { agentId: agent.id, session: call.param("session") };
      return answer(call, { session, userId: isManager ? undefined : principal.user.id });
    },
  }),
  route({
    method: "GET",
    path: "/api/shares",
    action: "profile:read",
    summary:
      "List the caller's shares, and of an administrator all; those that are over stay listed for a while",
    query: PAGE_QUERY,
    answer: shareListBody,
    handle: (call) =>
      answer(call, { userId: isAdministrator(call.principal) ? undefined : call.principal.user.id }),
  }),
  route({
    method: "DELETE",
    path: "/api/shares/:share",
    action: "any",
    summary: "Revoke a share, and close the sockets of its guests: its maker, or a manager of the agent",
    async handle(call) {
      const { c, deps, principal } = call;
      const id = call.param("share").toLowerCase();
      const share = isId(id) ? await deps.store.shares.get(id) : null;
      const agent = share && (await deps.store.agents.get(share.agent_id));
      if (!share || !agent) throw new ApiError(404, "share_not_found", "no such share");
      const isOwn = share.user_id === principal.user.id;
      const mayAsMaker = isOwn && (await deps.access.may(principal, "agent:share", agent));
      if (!mayAsMaker) await deps.access.require(principal, "agent:manage", agent);
      if (!(await deps.store.shares.revoke(share.id)))
        throw new ApiError(409, "share_revoked", "this share was revoked already");
      await deps.directory.publish({ type: "credential_revoked", id: share.id });
      record(call, agent, share, "share.revoked");
      return c.json({ message: "share revoked" });
    },
  }),
  route({
    method: "GET",
    path: "/api/share",
    action: "share:read",
    summary: "Say what a share shows: for the guest that has its token",
    answer: shareBody,
    async handle({ c, deps, principal }) {
      const { user, credential } = principal;
      const share = credential.kind === "share" ? await deps.store.shares.get(credential.id) : null;
      const agent = share && (await deps.store.agents.get(share.agent_id));
      if (!share || !agent) throw new ApiError(400, "no_share", "this is no token of a share");
      await checkShared(principal, agent.id, deps.directory);
      const link = await deps.directory.link(agent.id);
      return c.json({ ...shareView(share, agent.name, user.username), online: link !== null });
    },
  }),
  route({
    method: "GET",
    path: "/share",
    action: "public",
    summary:
      "Page: how to look at a shared session. Its link has the token behind the #, which no browser sends",
    handle: ({ c }) => sharePage(c.env.publicUrl),
  }),
];

// --- internal ---

/** No later than the end of the credential that makes it. */
function expiryOf(seconds: number, most: string | null): string {
  const wanted = new Date(Date.now() + seconds * 1_000).toISOString();
  return most !== null && most < wanted ? most : wanted;
}

async function answer(
  { c, deps }: KnownCall<unknown>,
  filter: Parameters<ApiDeps["store"]["shares"]["list"]>[0],
): Promise<Response> {
  const wish = pageWish(c) ?? { limit: MOST_LISTED, after: null };
  const rows = await deps.store.shares.list(filter, { ...wish, limit: wish.limit + 1 });
  const page = pageOf(c, rows, wish);
  const running = await runningOf(page, deps);
  const names = new Map<string, string>();
  const users = new Map<string, string>();
  for (const { agent_id, user_id } of page) {
    if (!names.has(agent_id)) names.set(agent_id, (await deps.store.agents.get(agent_id))?.name ?? "");
    if (!users.has(user_id)) users.set(user_id, (await deps.store.users.get(user_id))?.username ?? "");
  }
  const shown = page.map((row) => {
    const view = shareView(row, names.get(row.agent_id) ?? "", users.get(row.user_id) ?? "");
    const hasEnded = view.state === "live" && running.get(row.agent_id)?.has(row.instance) === false;
    return hasEnded ? { ...view, state: "ended" } : view;
  });
  return c.json({ shares: shown });
}

/** The sessions that run on the agents of shares that count; nothing of an agent that is away or silent. */
async function runningOf(
  shares: readonly ShareRow[],
  { directory }: ApiDeps,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const agents = new Set(shares.filter((share) => !isOver(share)).map(({ agent_id }) => agent_id));
  const running = new Map<string, ReadonlySet<string>>();
  const ask = async (agentId: string) => {
    const sessions = await (await directory.link(agentId))?.sessions();
    if (!sessions) return;
    const live = sessions.filter(({ ended_at }) => ended_at === null);
    running.set(agentId, new Set(live.map(({ instance }) => instance)));
  };
  await Promise.all([...agents].map(ask));
  return running;
}

/** Of a list without `limit`: all that a user can have. */
const MOST_LISTED = 500;

function shareView(share: ShareRow, agentName: string, by: string) {
  const { id, name, level, session, agent_id, created_at, expires_at, last_used_at, uses, revoked_at } =
    share;
  const state = revoked_at !== null ? "revoked" : isOver(share) ? "expired" : "live";
  return {
    id,
    name,
    level,
    session,
    agent: { id: agent_id, name: agentName },
    by,
    state,
    created_at,
    expires_at,
    last_used_at: last_used_at ?? undefined,
    uses,
  };
}

function record(
  { c, deps, principal }: KnownCall<unknown>,
  agent: AgentRow,
  share: ShareRow,
  action: string,
): void {
  deps.audit.record({
    action,
    principal,
    address: c.env.address,
    agent,
    session: share.session,
    target: share.name,
    details: { share: share.id, level: share.level, expires: share.expires_at },
  });
}
