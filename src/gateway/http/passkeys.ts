/** `/api/account/passkeys`, and signing in by one. */
import type { Context } from "hono";
import { passkeyBody, passkeyListBody, passkeyOptionsBody } from "../../protocol/http-factors.ts";
import { signedInBody } from "../../protocol/http-users.ts";
import type { Principal } from "../auth/principal.ts";
import { requireOwnPage } from "../auth/same-origin.ts";
import { newPasskeyBody, usePasskeyBody } from "../sign-in/passkey-shapes.ts";
import type { PasskeyRow } from "../store/passkeys.ts";
import { ApiError } from "./api-error.ts";
import { type ApiDeps, type Env, isId } from "./context.ts";
import { type Route, route } from "./route.ts";
import { recordFailure, signedIn } from "./sign-in.ts";

export const passkeyRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/sign-in/passkey/options",
    action: "public",
    summary: "Begin to sign in by a passkey: what the browser is to be asked",
    answer: passkeyOptionsBody,
    async handle({ c, deps }) {
      requireOwnPage(c.req.raw.headers, c.env);
      return c.json(await deps.passkeys.beginUse(c.env.publicUrl, c.env.address));
    },
  }),
  route({
    method: "POST",
    path: "/api/sign-in/passkey",
    action: "public",
    summary: "Sign in by a passkey; the answer sets a cookie",
    body: usePasskeyBody,
    answer: signedInBody,
    async handle({ c, deps, body }) {
      requireOwnPage(c.req.raw.headers, c.env);
      try {
        const { user } = await deps.passkeys.finishUse(c.env.publicUrl, body);
        return await signedIn(c, deps, user, "passkey");
      } catch (error) {
        await recordFailure(c, deps, "passkey", "", error);
        throw error;
      }
    },
  }),
  route({
    method: "GET",
    path: "/api/account/passkeys",
    action: "account:manage",
    summary: "List the user's passkeys",
    answer: passkeyListBody,
    async handle({ c, deps, principal }) {
      const passkeys = await deps.store.passkeys.listOfUser(principal.user.id);
      return c.json({ passkeys: passkeys.map(passkeyView) });
    },
  }),
  route({
    method: "POST",
    path: "/api/account/passkeys/options",
    action: "account:manage",
    summary: "Begin to register a passkey: what the browser is to be asked",
    answer: passkeyOptionsBody,
    handle: async ({ c, deps, principal }) =>
      c.json(await deps.passkeys.beginNew(principal.user, c.env.publicUrl)),
  }),
  route({
    method: "POST",
    path: "/api/account/passkeys",
    action: "account:manage",
    summary: "Register the passkey that the browser has made",
    body: newPasskeyBody,
    answer: passkeyBody,
    status: 201,
    async handle({ c, deps, principal, body }) {
      const { publicUrl, address } = c.env;
      const passkey = await deps.passkeys.finishNew(principal.user, publicUrl, body);
      deps.audit.record({ action: "passkey.added", principal, address, target: passkey.name });
      return c.json(passkeyView(passkey), 201);
    },
  }),
  route({
    method: "DELETE",
    path: "/api/account/passkeys/:passkey",
    action: "account:manage",
    summary: "Remove a passkey",
    async handle({ c, deps, principal, param }) {
      await removePasskey(c, deps, principal, param("passkey"));
      return c.json({ message: "passkey removed" });
    },
  }),
];

/** @throws ApiError 404 */
export async function removePasskey(
  c: Context<Env>,
  { store, audit }: ApiDeps,
  principal: Principal,
  given: string,
): Promise<void> {
  const id = given.toLowerCase();
  const removed = isId(id) ? await store.passkeys.remove(principal.user.id, id) : null;
  if (!removed) throw new ApiError(404, "passkey_not_found", "you have no such passkey");
  audit.record({ action: "passkey.removed", principal, address: c.env.address, target: removed.name });
}

// --- internal ---

function passkeyView({ id, name, backed_up, created_at, last_used_at }: PasskeyRow) {
  return { id, name, backed_up, created_at, last_used_at: last_used_at ?? undefined };
}
