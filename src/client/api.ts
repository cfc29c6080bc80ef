/** The calls of the CLI to the API. Each throws what `lib/http.ts` throws. */

import * as z from "zod/mini";
import { HttpError, requestJson } from "../lib/http.ts";
import type { Endpoint } from "../lib/net.ts";
import {
  type Agent,
  agentBody,
  agentListBody,
  profileBody,
  tokenListBody,
  type User,
  validationBody,
} from "../protocol/http.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import { isJwt } from "../protocol/token.ts";

/** A server, and the token for it. */
export interface Server {
  endpoint: Endpoint;
  token: string;
}

/** Every agent of the account. */
export function listAgents(server: Server, signal?: AbortSignal): Promise<Agent[]> {
  return requestJson({ ...server, method: "GET", path: "/api/agents", schema: agentListBody, signal });
}

/** One agent by its full id. */
export function getAgent(server: Server, id: string, signal?: AbortSignal): Promise<Agent> {
  const path = `/api/agents/${pathSegment(id)}`;
  return requestJson({ ...server, method: "GET", path, schema: agentBody, limit: HTTP_ONE_BYTES, signal });
}

/** The user that a token belongs to. `scopes` is only there where the server tells. */
export interface Identity {
  user: User;
  scopes: readonly string[] | null;
}

/**
 * Asks whose token it is, of older servers too: those have no `/api/tokens/validate`, or it knows API tokens alone and
 * refuses a JWT.
 */
export async function identify(server: Server): Promise<Identity> {
  try {
    const said = await requestJson({
      ...server,
      method: "GET",
      path: "/api/tokens/validate",
      schema: validationBody,
      limit: HTTP_ONE_BYTES,
    });
    const { user_id: id, scopes, agent_id: _, ...rest } = said;
    return { user: { id, ...rest }, scopes: scopes ?? null };
  } catch (error) {
    if (!(error instanceof HttpError) || !knowsLess(error.status, server.token)) throw error;
  }
  const user = await requestJson({
    ...server,
    method: "GET",
    path: "/api/profile",
    schema: profileBody,
    limit: HTTP_ONE_BYTES,
  });
  return { user, scopes: null };
}

/**
 * Revokes the token that the call is made with.
 * @returns false where the server does not list it (a session token, an agent's)
 */
export async function revokeOwnToken(server: Server): Promise<boolean> {
  try {
    return await revokeListed(server);
  } catch (error) {
    // A token that may not manage tokens may still give itself up.
    if (error instanceof HttpError && error.status === 403 && (await revokeCurrent(server))) return true;
    throw error;
  }
}

// --- internal ---

/** False where the server has no such call, or the credential is none of that kind. */
async function revokeCurrent(server: Server): Promise<boolean> {
  const path = "/api/tokens/current/revoke";
  try {
    await requestJson({ ...server, method: "POST", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
    return true;
  } catch (error) {
    if (error instanceof HttpError && [403, 404, 405].includes(error.status)) return false;
    throw error;
  }
}

async function revokeListed(server: Server): Promise<boolean> {
  const { tokens } = await requestJson({
    ...server,
    method: "GET",
    path: "/api/tokens",
    schema: tokenListBody,
    limit: HTTP_LIST_BYTES,
  });
  const own = tokens.find((token) => !token.revoked_at && server.token.startsWith(token.token_prefix));
  if (!own) return false;
  const path = `/api/tokens/${pathSegment(own.id)}`;
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
  return true;
}

/** Whether the profile may say more than `/api/tokens/validate`, which answered with that status. */
function knowsLess(status: number, token: string): boolean {
  return (
    status === 404 || status === 405 || (isJwt(token) && status >= 400 && status < 500 && status !== 429)
  );
}
