/** `/api/tokens`, and the user of a token: `/api/profile`. */
import { Hono } from "hono";
import { createTokenBody } from "../../protocol/http.ts";
import { requireAgent, requirePermission } from "../auth/authenticate.ts";
import { isScope, mayGrant, SCOPES } from "../auth/scopes.ts";
import { makeToken } from "../auth/token.ts";
import { TOKENS_OF_AN_AGENT } from "../quotas.ts";
import type { TokenRow } from "../store/tokens.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, authenticate, type Env, findAgent, isId, readBody } from "./context.ts";
import { pageOf, pageWish } from "./paging.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

export function tokenRoutes(deps: ApiDeps): Hono<Env> {
  const { store, directory, quotas } = deps;
  const routes = new Hono<Env>();

  routes.get("/profile", async (c) => {
    const principal = await authenticate(c, deps);
    requirePermission(principal, "profile:read");
    return c.json({ user: principal.user });
  });

  // Any token may ask whether it is one.
  routes.get("/tokens/validate", async (c) => {
    const { user, token } = await authenticate(c, deps);
    return c.json({
      valid: true,
      user_id: user.id,
      username: user.username,
      email: user.email,
      tier: user.tier,
      scopes: token.scopes,
      agent_id: token.agent_id ?? undefined,
    });
  });

  routes.get("/tokens", async (c) => {
    const principal = await authenticate(c, deps);
    requirePermission(principal, "tokens:manage");
    const wish = pageWish(c);
    const rows = await store.tokens.listOfUser(principal.user.id, wish && { ...wish, limit: wish.limit + 1 });
    return c.json({ tokens: pageOf(c, rows, wish).map(tokenView) });
  });

  routes.post("/tokens", async (c) => {
    const principal = await authenticate(c, deps);
    const { name, scopes = ["*"], expires_in, agent_id } = await readBody(c, createTokenBody);
    // A token that may register an agent, and so gets a token for it, may also make another one for it.
    const isForAgent = scopes.length === 1 && scopes[0] === "agent";
    requirePermission(principal, isForAgent ? "agents:write" : "tokens:manage");
    checkScopes(scopes, principal.token.scopes, agent_id ?? null);
    if (agent_id) requireAgent(principal, await findAgent(store, agent_id), "agents:write");
    const made = makeToken();
    const grant = {
      userId: principal.user.id,
      agentId: agent_id ?? null,
      name,
      scopes,
      expiresAt: expires_in ? new Date(Date.now() + expires_in * DAY_MS).toISOString() : null,
    };
    const most = agent_id ? TOKENS_OF_AN_AGENT : quotas.tokens;
    const token = await store.tokens.createWithin(made, grant, most);
    if (!token) {
      const owner = agent_id ? "this agent" : "this account";
      throw new ApiError(
        403,
        "token_limit_reached",
        `${owner} has ${most} tokens, and may have no more: revoke one`,
      );
    }
    const message = "keep it now: it is shown this once";
    return c.json({ ...tokenView(token), token: made.token, expires_at: token.expires_at, message }, 201);
  });

  routes.delete("/tokens/:id", async (c) => {
    const principal = await authenticate(c, deps);
    requirePermission(principal, "tokens:manage");
    const id = c.req.param("id").toLowerCase();
    const token = isId(id) ? await store.tokens.get(id) : null;
    if (!token) throw new ApiError(404, "token_not_found", "no such token");
    if (token.user_id !== principal.user.id)
      throw new ApiError(403, "not_yours", "this token belongs to someone else");
    await store.tokens.revoke(token.id);
    await directory.publish({ type: "token_revoked", tokenId: token.id });
    return c.json({ message: "token revoked" });
  });

  return routes;
}

// --- internal ---

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
    created_at: token.created_at,
    last_used_at: token.last_used_at ?? undefined,
    expires_at: token.expires_at ?? undefined,
    revoked_at: token.revoked_at ?? undefined,
  };
}
