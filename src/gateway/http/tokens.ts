/** `/api/tokens`, and the user of a token: `/api/profile`. */
import {
  createdTokenBody,
  createTokenBody,
  messageBody,
  profileBody,
  tokenListBody,
  validationBody,
} from "../../protocol/http.ts";
import { isAdministrator } from "../auth/access.ts";
import { tagOf } from "../auth/agent-selector.ts";
import { endWithin, type Principal } from "../auth/principal.ts";
import { isScope, mayGrant, SCOPES } from "../auth/scopes.ts";
import { makeToken } from "../auth/token.ts";
import { TOKENS_OF_AN_AGENT } from "../quotas.ts";
import type { TokenRow } from "../store/tokens.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, findAgent, isId } from "./context.ts";
import { PAGE_QUERY, readPage } from "./paging.ts";
import { type Route, route } from "./route.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

export const tokenRoutes: readonly Route[] = [
  route({
    method: "GET",
    path: "/api/profile",
    action: "profile:read",
    summary: "Show the user of the credential",
    answer: profileBody,
    handle: ({ c, principal }) => c.json({ user: principal.user }),
  }),
  route({
    method: "GET",
    path: "/api/tokens/validate",
    action: "any",
    summary: "Say what a token is: any token may ask",
    answer: validationBody,
    handle({ c, principal: { user, credential } }) {
      return c.json({
        valid: true,
        user_id: user.id,
        username: user.username,
        email: user.email,
        tier: user.tier,
        scopes: credential.scopes,
        agent_id: credential.agentId ?? undefined,
      });
    },
  }),
  route({
    method: "GET",
    path: "/api/tokens",
    action: "tokens:manage",
    summary: "List the user's tokens, without their secrets",
    answer: tokenListBody,
    query: PAGE_QUERY,
    async handle({ c, deps, principal }) {
      const tokens = await readPage(c, (page) => deps.store.tokens.listOfUser(principal.user.id, page));
      return c.json({ tokens: tokens.map(tokenView) });
    },
  }),
  route({
    method: "POST",
    path: "/api/tokens",
    action: "tokens:create",
    summary: "Make a token; it is shown this once",
    answer: createdTokenBody,
    body: createTokenBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const { name, scopes = ["*"], expires_in, expires_in_seconds, agent_id, only_agents = [] } = body;
      await checkWish(principal, scopes, agent_id ?? null, only_agents, deps);
      const made = makeToken();
      const lifeMs = (expires_in ?? 0) * DAY_MS + (expires_in_seconds ?? 0) * 1_000;
      const wanted = lifeMs > 0 ? new Date(Date.now() + lifeMs).toISOString() : null;
      const grant = {
        userId: principal.user.id,
        agentId: agent_id ?? null,
        name,
        scopes,
        only: only_agents,
        // Not of an agent's token: that is a machine's, as at its registration.
        expiresAt: agent_id ? wanted : endWithin(principal.credential, wanted),
      };
      const most = agent_id ? TOKENS_OF_AN_AGENT : deps.quotas.tokens;
      const token = await deps.store.tokens.createWithin(made, grant, most);
      if (!token) {
        const owner = agent_id ? "this agent" : "this account";
        throw new ApiError(
          403,
          "token_limit_reached",
          `${owner} has ${most} tokens, and may have no more: revoke one`,
        );
      }
      const details = { id: token.id, scopes: scopes.join(" "), expires: token.expires_at };
      deps.audit.record({
        action: "token.created",
        principal,
        address: c.env.address,
        target: name,
        details,
      });
      const message = "keep it now: it is shown this once";
      return c.json({ ...tokenView(token), token: made.token, expires_at: token.expires_at, message }, 201);
    },
  }),
  route({
    method: "DELETE",
    path: "/api/tokens/:token",
    action: "tokens:manage",
    summary: "Revoke a token, and close the sockets that were opened with it",
    answer: messageBody,
    async handle({ c, deps, principal, param }) {
      const id = param("token").toLowerCase();
      const token = isId(id) ? await deps.store.tokens.get(id) : null;
      if (!token) throw new ApiError(404, "token_not_found", "no such token");
      if (token.user_id !== principal.user.id && !isAdministrator(principal))
        throw new ApiError(403, "not_yours", "this token belongs to someone else");
      await deps.store.tokens.revoke(token.id);
      await deps.directory.publish({ type: "credential_revoked", id: token.id });
      deps.audit.record({
        action: "token.revoked",
        principal,
        address: c.env.address,
        target: token.name,
        details: { id: token.id },
      });
      return c.json({ message: "token revoked" });
    },
  }),
];

// --- internal ---

/** @throws ApiError 400, 403, 404 */
async function checkWish(
  principal: Principal,
  scopes: readonly string[],
  agentId: string | null,
  only: readonly string[],
  { access, store }: ApiDeps,
): Promise<void> {
  // A token that may register an agent, and so gets a token for it, may also make another one for it.
  const isForAgent = scopes.length === 1 && scopes[0] === "agent";
  if (!isForAgent) await access.require(principal, "tokens:manage");
  checkScopes(scopes, principal.credential.scopes, agentId);
  if (agentId) await access.require(principal, "agent:manage", await findAgent(store, agentId));
  if (only.length === 0) return;
  if (isForAgent) throw new ApiError(400, "bad_restriction", "an agent's token is restricted to its agent");
  for (const selector of only) {
    const tag = tagOf(selector);
    if (tag === "") throw new ApiError(400, "bad_restriction", "a tag has a name: tag:prod");
    if (tag === null) await access.require(principal, "agent:view", await findAgent(store, selector));
  }
}

/** @throws ApiError 400, 403 */
function checkScopes(scopes: readonly string[], own: readonly string[], agentId: string | null): void {
  const unknown = scopes.find((scope) => !isScope(scope));
  if (unknown !== undefined || scopes.length === 0) {
    const what = unknown === undefined ? "no scope" : `unknown scope "${unknown.slice(0, 64)}"`;
    throw new ApiError(400, "bad_scope", `${what}: there are ${SCOPES.join(", ")}`);
  }
  const forAgent = scopes.includes("agent");
  if (forAgent !== (agentId !== null) || (forAgent && scopes.length > 1)) {
    throw new ApiError(
      400,
      "bad_scope",
      'an agent\'s token has the scope "agent" alone, and names its agent as agent_id',
    );
  }
  if (!forAgent && !mayGrant(own, scopes))
    throw new ApiError(403, "scope", "a token cannot make one that may do more");
}

function tokenView(token: TokenRow) {
  return {
    id: token.id,
    name: token.name,
    token_prefix: token.token_prefix,
    scopes: token.scopes,
    agent_id: token.agent_id ?? undefined,
    only_agents: token.only_agents.length > 0 ? token.only_agents : undefined,
    created_at: token.created_at,
    last_used_at: token.last_used_at ?? undefined,
    expires_at: token.expires_at ?? undefined,
    revoked_at: token.revoked_at ?? undefined,
  };
}
