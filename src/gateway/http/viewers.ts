/** Who looks at an agent's sessions and who types there; and the switch that closes viewers' sockets. */
import * as z from "zod/mini";
import { exact, LENGTHS } from "../../protocol/values.ts";
import type { ControlOutcome, ViewerPresence } from "../sessions/agent-directory.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps } from "./context.ts";
import { agentOf, type KnownCall, type Route, route } from "./route.ts";
import { linkOf } from "./sessions.ts";

const controlBody = z.object({
  mode: z.enum(["everybody", "only"]),
  /** With `only`: default the caller's newest viewer of the session. */
  viewer: z.optional(exact(LENGTHS.id, 1)),
});

/** At least one of the first three; those that fit all that is given. */
const kickBody = z.object({
  viewer: z.optional(exact(LENGTHS.id, 1)),
  /** The name of a user. */
  user: z.optional(exact(LENGTHS.name, 1)),
  session: z.optional(exact(LENGTHS.id, 1)),
  /** Also what the sockets were opened with. */
  revoke: z._default(z.boolean(), false),
});

const kickEverywhereBody = z.object({
  user: exact(LENGTHS.name, 1),
  revoke: z._default(z.boolean(), false),
});

const viewerListBody = z.object({
  viewers: z.array(
    z.object({
      id: z.string(),
      user: z.string(),
      address: z.optional(z.string()),
      since: z.string(),
      protocol: z.string(),
      access: z.string(),
      sessions: z.array(z.string()),
      controls: z.array(z.string()),
      shared: z.boolean(),
    }),
  ),
});

export const viewerRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/agents/:id/viewers",
    action: "agent:sessions",
    summary: "List the viewers that are connected to an agent; addresses for its managers alone",
    answer: viewerListBody,
    async handle(call) {
      const { c, deps, principal } = call;
      const agent = agentOf(call);
      const viewers = await deps.directory.viewers(agent.id);
      const isManager = await deps.access.may(principal, "agent:manage", agent);
      return c.json({
        viewers: viewers.map((viewer) =>
          viewerView(viewer, isManager || (viewer.userId === principal.user.id && !viewer.isShared)),
        ),
      });
    },
  }),
  route({
    method: "POST",
    path: "/api/agents/:id/sessions/:session/control",
    action: "agent:use",
    summary: "Let one viewer of a session type alone, or everybody; a manager of the agent always can",
    body: controlBody,
    async handle(call) {
      const { c, deps, principal, body } = call;
      const agent = agentOf(call);
      const session = call.param("session");
      const link = await linkOf(call);
      const outcome = await link.control(session, {
        mode: body.mode,
        viewer: body.viewer ?? null,
        userId: principal.user.id,
        force: await deps.access.may(principal, "agent:manage", agent),
      });
      if (!outcome) throw new ApiError(404, "agent_offline", "the agent is offline");
      if ("refused" in outcome) throw notTaken(outcome);
      const { holder } = outcome;
      deps.audit.record({
        action: holder ? "control.taken" : "control.freed",
        principal,
        address: c.env.address,
        agent,
        session,
        ...(holder ? { target: holder.name } : {}),
      });
      return c.json({ mode: holder ? "only" : "everybody", ...(holder ?? {}) });
    },
  }),
  route({
    method: "POST",
    path: "/api/agents/:id/kick",
    action: "agent:manage",
    summary: "Close the sockets of viewers of an agent at once: a user's, a session's, or one viewer's",
    body: kickBody,
    async handle(call) {
      const { deps, body } = call;
      const { viewer, session } = body;
      if (viewer === undefined && session === undefined && body.user === undefined)
        throw new ApiError(400, "bad_body", "say which viewers: viewer, user or session");
      const userId = body.user === undefined ? undefined : await userIdOf(body.user, deps);
      const agent = agentOf(call);
      const closed = await deps.directory.closeViewers(agent.id, { viewer, session, userId });
      return kicked(call, closed, body.revoke);
    },
  }),
  route({
    method: "POST",
    path: "/api/kick",
    action: "admin",
    summary: "Close all viewers' sockets of a user, on every agent",
    body: kickEverywhereBody,
    async handle(call) {
      const { deps, body } = call;
      const closed = await deps.directory.closeViewers(null, { userId: await userIdOf(body.user, deps) });
      return kicked(call, closed, body.revoke);
    },
  }),
];

// --- internal ---

function viewerView(viewer: ViewerPresence, withAddress: boolean) {
  const { id, user, since, protocol, access, sessions, controls, isShared, address } = viewer;
  return {
    id,
    user,
    ...(withAddress ? { address } : {}),
    since,
    protocol,
    access,
    sessions,
    controls,
    shared: isShared,
  };
}

function notTaken(outcome: Extract<ControlOutcome, { refused: string }>): ApiError {
  switch (outcome.refused) {
    case "controlled":
      return new ApiError(
        409,
        "controlled",
        `${outcome.by} has control of this session, until it is given back`,
      );
    case "no_viewer":
      return new ApiError(
        404,
        "viewer_not_found",
        "no such viewer looks at this session: attach to it first",
      );
    case "not_yours":
      return new ApiError(
        403,
        "not_yours",
        "that is another user's viewer: a manager of the agent can do this",
      );
    case "read_only":
      return new ApiError(409, "read_only", "that viewer may look and not type");
  }
}

/** @throws ApiError 404 */
async function userIdOf(username: string, { store }: ApiDeps): Promise<string> {
  const user = await store.users.byName(username);
  if (!user) throw new ApiError(404, "user_not_found", "no such user");
  return user.id;
}

/** Audits and answers; with `revoke` what the sockets were opened with counts no more, as far as the caller may decide that. */
async function kicked(
  call: KnownCall<unknown>,
  closed: readonly ViewerPresence[],
  revoke: boolean,
): Promise<Response> {
  const { c, deps, principal } = call;
  const opened = new Map(revoke ? closed.map((viewer) => [viewer.credentialId, viewer]) : []);
  let revoked = 0;
  for (const viewer of opened.values()) if (await revokeCredential(call, viewer)) revoked += 1;
  for (const { id: viewer, user, agentId, sessions } of closed) {
    const agent = (await deps.store.agents.get(agentId)) ?? { id: agentId, name: "" };
    deps.audit.record({
      action: "viewer.kicked",
      principal,
      address: c.env.address,
      agent,
      ...(sessions[0] === undefined ? {} : { session: sessions[0] }),
      target: user,
      details: { viewer, revoked: revoke },
    });
  }
  return c.json({ closed: closed.length, revoked, kept: opened.size - revoked });
}

/** A share of an agent is its managers' to end; a token reaches further, and is its user's and the administrators'. */
async function revokeCredential(
  { deps, principal }: KnownCall<unknown>,
  { credentialId: id, userId, isShared }: ViewerPresence,
): Promise<boolean> {
  const { store, access, directory } = deps;
  if (isShared) await store.shares.revoke(id);
  else {
    const isOwn = userId === principal.user.id && (await access.may(principal, "account:manage"));
    if (!isOwn && !(await access.may(principal, "admin"))) return false;
    if (await store.tokens.get(id)) await store.tokens.revoke(id);
    else await store.signInSessions.revoke(userId, id);
  }
  await directory.publish({ type: "credential_revoked", id });
  return true;
}
