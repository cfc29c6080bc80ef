/** The second factor over the API. Each call throws what `lib/http.ts` throws. */
import * as z from "zod/mini";
import { requestJson } from "../lib/http.ts";
import { factorsBody, recoveryCodesBody, totpSetUpBody } from "../protocol/http-factors.ts";
import { HTTP_LIST_BYTES, HTTP_ONE_BYTES } from "../protocol/limits.ts";
import { pathSegment } from "../protocol/path.ts";
import type { Server } from "./api.ts";

export function showFactors(server: Server) {
  const request = { ...server, method: "GET", path: "/api/account/factors" } as const;
  return requestJson({ ...request, schema: factorsBody, limit: HTTP_ONE_BYTES });
}

/** The secret of a new authenticator app, which a code has to confirm. */
export function beginTotp(server: Server) {
  const request = { ...server, method: "POST", path: "/api/account/totp" } as const;
  return requestJson({ ...request, schema: totpSetUpBody, limit: HTTP_LIST_BYTES });
}

/** @returns the recovery codes */
export async function confirmTotp(server: Server, code: string): Promise<string[]> {
  return codesOf(server, "/api/account/totp/confirm", code);
}

/** @param code of the app, or a recovery code @returns new recovery codes */
export function renewRecoveryCodes(server: Server, code: string): Promise<string[]> {
  return codesOf(server, "/api/account/recovery-codes", code);
}

/** @param code of the app, or a recovery code */
export async function removeTotp(server: Server, code: string): Promise<void> {
  const request = { ...server, method: "POST", path: "/api/account/totp/remove", body: { code } } as const;
  await requestJson({ ...request, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

/** Removes the app and the passkeys of a user. @param user id or user name */
export async function resetFactors(server: Server, user: string): Promise<void> {
  const path = `/api/users/${pathSegment(user)}/factors`;
  await requestJson({ ...server, method: "DELETE", path, schema: z.unknown(), limit: HTTP_ONE_BYTES });
}

// --- internal ---

async function codesOf(server: Server, path: string, code: string): Promise<string[]> {
  const request = { ...server, method: "POST", path, body: { code } } as const;
  const answer = await requestJson({ ...request, schema: recoveryCodesBody, limit: HTTP_ONE_BYTES });
  return answer.recovery_codes;
}
