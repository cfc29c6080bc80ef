/** Users, invites and the own account over the API. Each call throws what `lib/http.ts` throws. */
import * as z from "zod/mini";
import { requestJson } from "../lib/http.ts";
import {
  accountBody,
  endedSessionsBody,
  inviteBody,
  inviteListBody,
  madeLinkBody,
  removedUserBody,
  type sessionBody,
  sessionListBody,
  type UserInfo,
  userBody,
  userListBody,
} from "../protocol/http-users.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import type { Server } from "./api.ts";

export type Invite = z.infer<typeof inviteBody>;

export async function listUsers(server: Server): Promise<UserInfo[]> {
  const request = { ...server, method: "GET", path: "/api/users" } as const;
  return (await requestJson({ ...request, schema: userListBody, limit: HTTP_LIST_BYTES })).users;
}

export function createUser(
  server: Server,
  body: {
    username: string;
    name?: string | undefined;
    email?: string | undefined;
    admin: boolean;
    password?: string | undefined;
  },
): Promise<UserInfo> {
  const request = { ...server, method: "POST", path: "/api/users", body } as const;
  return requestJson({ ...request, schema: userBody, limit: HTTP_ONE_BYTES });
}

/** @param user id or user name */
export function changeUser(
  server: Server,
  user: string,
  body: { admin?: boolean; disabled?: boolean },
): Promise<UserInfo> {
  const request = { ...server, method: "PATCH", path: pathOf(user), body } as const;
  return requestJson({ ...request, schema: userBody, limit: HTTP_ONE_BYTES });
}

/** @param fate what becomes of the user's agents; without it a user who has some is refused */
export function removeUser(
  server: Server,
  user: string,
  fate: { transferTo?: string | undefined; withAgents?: boolean | undefined },
) {
  const query = new URLSearchParams({
    ...(fate.transferTo === undefined ? {} : { transfer_to: fate.transferTo }),
    ...(fate.withAgents ? { with_agents: "true" } : {}),
  });
  const path = `${pathOf(user)}${query.size > 0 ? `?${query}` : ""}`;
  return requestJson({ ...server, method: "DELETE", path, schema: removedUserBody, limit: HTTP_ONE_BYTES });
}

export async function setPassword(server: Server, user: string, password: string): Promise<void> {
  const request = { ...server, method: "PUT", path: `${pathOf(user)}/password`, body: { password } } as const;
  await requestJson({ ...request, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

export async function hasPassword(server: Server): Promise<boolean> {
  const request = { ...server, method: "GET", path: "/api/account" } as const;
  return (await requestJson({ ...request, schema: accountBody, limit: HTTP_ONE_BYTES })).has_password;
}

/** @param current for an account that has a password */
export async function setOwnPassword(
  server: Server,
  body: { current?: string | undefined; password: string },
): Promise<void> {
  const request = { ...server, method: "PUT", path: "/api/account/password", body } as const;
  await requestJson({ ...request, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

export type BrowserSession = z.infer<typeof sessionBody>;

export async function listBrowserSessions(server: Server): Promise<BrowserSession[]> {
  const request = { ...server, method: "GET", path: "/api/account/sessions" } as const;
  return (await requestJson({ ...request, schema: sessionListBody, limit: HTTP_LIST_BYTES })).sessions;
}

export async function endBrowserSession(server: Server, id: string): Promise<void> {
  const path = `/api/account/sessions/${pathSegment(id)}`;
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

/** Ends all of them. @returns how many */
export async function endBrowserSessions(server: Server): Promise<number> {
  const request = { ...server, method: "DELETE", path: "/api/account/sessions" } as const;
  return (await requestJson({ ...request, schema: endedSessionsBody, limit: HTTP_ONE_BYTES })).ended;
}

/** @returns the link, which the server shows this once */
export function createInvite(
  server: Server,
  body: {
    name?: string | undefined;
    email?: string | undefined;
    admin: boolean;
    expires_in_seconds?: number | undefined;
  },
) {
  const request = { ...server, method: "POST", path: "/api/invites", body } as const;
  return requestJson({
    ...request,
    schema: z.extend(inviteBody, madeLinkBody.shape),
    limit: HTTP_ONE_BYTES,
  });
}

export async function listInvites(server: Server): Promise<Invite[]> {
  const request = { ...server, method: "GET", path: "/api/invites" } as const;
  return (await requestJson({ ...request, schema: inviteListBody, limit: HTTP_LIST_BYTES })).invites;
}

export async function withdrawInvite(server: Server, id: string): Promise<void> {
  const path = `/api/invites/${pathSegment(id)}`;
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

// --- internal ---

function pathOf(user: string): string {
  return `/api/users/${pathSegment(user)}`;
}
