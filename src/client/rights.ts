/** Tokens, rights and groups over the API. Each call throws what `lib/http.ts` throws. */
import * as z from "zod/mini";
import { requestJson } from "../lib/http.ts";
import { createdTokenBody, tokenListBody } from "../protocol/http.ts";
import { type Grant, type Group, grantListBody, groupListBody } from "../protocol/http-access.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import type { Server } from "./api.ts";

/** What a new token is to be. */
export interface TokenWish {
  name: string;
  scopes: readonly string[];
  /** Seconds; undefined for one that does not expire. */
  expires_in_seconds?: number | undefined;
  /** Ids of agents and `tag:NAME`. */
  only_agents?: readonly string[] | undefined;
}

export async function listTokens(server: Server) {
  const request = { ...server, method: "GET", path: "/api/tokens" } as const;
  return (await requestJson({ ...request, schema: tokenListBody, limit: HTTP_LIST_BYTES })).tokens;
}

/** @returns the token itself, which the server shows this once */
export function createToken(server: Server, wish: TokenWish) {
  const request = { ...server, method: "POST", path: "/api/tokens", body: wish } as const;
  return requestJson({ ...request, schema: createdTokenBody, limit: HTTP_ONE_BYTES });
}

export async function revokeToken(server: Server, id: string): Promise<void> {
  await remove(server, `/api/tokens/${pathSegment(id)}`);
}

export async function listGrants(server: Server): Promise<Grant[]> {
  const request = { ...server, method: "GET", path: "/api/grants" } as const;
  return (await requestJson({ ...request, schema: grantListBody, limit: HTTP_LIST_BYTES })).grants;
}

/** @param to one of user and group; `target` is the id of an agent, or `tag:NAME` */
export async function createGrant(
  server: Server,
  to: { user?: string | undefined; group?: string | undefined; target: string; level: string },
): Promise<void> {
  await send(server, "/api/grants", to);
}

export async function removeGrant(server: Server, id: string): Promise<void> {
  await remove(server, `/api/grants/${pathSegment(id)}`);
}

export async function listGroups(server: Server): Promise<Group[]> {
  const request = { ...server, method: "GET", path: "/api/groups" } as const;
  return (await requestJson({ ...request, schema: groupListBody, limit: HTTP_LIST_BYTES })).groups;
}

export async function createGroup(server: Server, name: string): Promise<void> {
  await send(server, "/api/groups", { name });
}

export async function removeGroup(server: Server, name: string): Promise<void> {
  await remove(server, `/api/groups/${pathSegment(name)}`);
}

export async function addMember(server: Server, name: string, user: string): Promise<void> {
  await send(server, `/api/groups/${pathSegment(name)}/members`, { user });
}

export async function removeMember(server: Server, name: string, user: string): Promise<void> {
  await remove(server, `/api/groups/${pathSegment(name)}/members/${pathSegment(user)}`);
}

// --- internal ---

async function send(server: Server, path: string, body: object): Promise<void> {
  await requestJson({ ...server, method: "POST", path, body, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

async function remove(server: Server, path: string): Promise<void> {
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}
