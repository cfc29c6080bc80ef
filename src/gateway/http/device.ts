/** `/api/device`: signs a CLI in by a code that a person approves (RFC 8628, over JSON). */
import {
  deviceApproveBody,
  deviceCodeBody,
  deviceGrantBody,
  deviceLookupBody,
  deviceRequestBody,
  deviceStartBody,
  deviceTokenBody,
} from "../../protocol/http-device.ts";
import { type Principal, tokenCredential } from "../auth/principal.ts";
import { isScope, SCOPES } from "../auth/scopes.ts";
import type { DeviceCodeRow } from "../store/device-codes.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps } from "./context.ts";
import { type Route, route } from "./route.ts";

/** Where a person types the code: a page below the public URL. */
export const DEVICE_PAGE = "/device";

export const deviceRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/device/code",
    action: "public",
    summary: "Begin to sign a CLI in: a code for the person, and one for the CLI",
    body: deviceCodeBody,
    answer: deviceStartBody,
    async handle({ c, deps, body }) {
      const scopes = [...new Set(body.scopes ?? ["*"])];
      const unknown = scopes.find((scope) => !isScope(scope) || scope === "agent");
      if (unknown !== undefined || scopes.length === 0) {
        const known = SCOPES.filter((scope) => scope !== "agent").join(", ");
        throw new ApiError(400, "bad_scope", `a sign-in asks for one or more of the scopes ${known}`);
      }
      const start = await deps.deviceFlow.begin(body.client ?? "", scopes, c.env.address);
      return c.json({
        device_code: start.deviceCode,
        user_code: start.userCode,
        verification_uri: `${c.env.publicUrl}${DEVICE_PAGE}`,
        expires_in: start.expiresInS,
        interval: start.intervalS,
      });
    },
  }),
  route({
    method: "POST",
    path: "/api/device/token",
    action: "public",
    summary: "Ask whether the code is approved; the answer is the token, once",
    body: deviceTokenBody,
    answer: deviceGrantBody,
    async handle({ c, deps, body }) {
      const { address } = c.env;
      const redeemed = await deps.deviceFlow.redeem(body.device_code, address);
      if (redeemed.kind === "error") {
        const { code, description } = redeemed;
        return c.json({ error: code, error_description: description, code, message: description }, 400);
      }
      const { token, row, user } = redeemed;
      const principal = { user, credential: tokenCredential(row) };
      const details = { scopes: row.scopes.join(" "), by: "device" };
      deps.audit.record({ action: "token.created", principal, address, target: row.name, details });
      return c.json({
        access_token: token,
        token_type: "Bearer",
        scope: row.scopes.join(" "),
        token_id: row.id,
      });
    },
  }),
  route({
    method: "POST",
    path: "/api/device/lookup",
    action: "account:manage",
    summary: "Show what asks to be signed in by a code",
    body: deviceLookupBody,
    answer: deviceRequestBody,
    async handle({ c, deps, body, principal }) {
      return c.json(requestView(await deps.deviceFlow.look(body.user_code, principal.user)));
    },
  }),
  route({
    method: "POST",
    path: "/api/device/approve",
    action: "account:manage",
    summary: "Approve a sign-in by its code, or refuse it",
    body: deviceApproveBody,
    answer: deviceRequestBody,
    async handle({ c, deps, body, principal }) {
      // The token of a sign-in has no end, so one that has may not make it.
      if (body.approve && principal.credential.kind === "token" && principal.credential.expiresAt !== null) {
        const message = "a token that expires approves no sign-in: use one that does not, or a browser";
        throw new ApiError(403, "scope", message);
      }
      const row = await deps.deviceFlow.decide(body.user_code, principal.user, body.approve);
      recordDecision(deps, principal, c.env.address, row, body.approve);
      return c.json(requestView(row));
    },
  }),
  route({
    method: "POST",
    path: "/api/tokens/current/revoke",
    action: "any",
    summary: "Revoke the API token that the call is made with",
    async handle({ c, deps, principal }) {
      const { credential } = principal;
      if (credential.kind !== "token" || credential.agentId !== null)
        throw new ApiError(403, "scope", "this is for an API token of a user");
      await deps.store.tokens.revoke(credential.id);
      await deps.directory.publish({ type: "credential_revoked", id: credential.id });
      const { address } = c.env;
      deps.audit.record({ action: "token.revoked", principal, address, target: credential.name });
      return c.json({ message: "token revoked" });
    },
  }),
];

/** Writes a decision about a sign-in into the audit. */
export function recordDecision(
  { audit }: Pick<ApiDeps, "audit">,
  principal: Principal,
  address: string,
  row: DeviceCodeRow,
  isApproved: boolean,
): void {
  audit.record({
    action: isApproved ? "device.approved" : "device.refused",
    principal,
    address,
    target: row.client,
    details: { asked_from: row.address, scopes: row.scopes.join(" ") },
  });
}

// --- internal ---

function requestView({ client, address, scopes, created_at, expires_at }: DeviceCodeRow) {
  return { client, address, scopes, created_at, expires_at };
}
