/** `/api/account/…` of second factors, and the second step of signing in by a password. */
import type { Context } from "hono";
import {
  codeBody,
  factorsBody,
  recoveryCodesBody,
  secondFactorBody,
  totpSetUpBody,
} from "../../protocol/http-factors.ts";
import { signedInBody } from "../../protocol/http-users.ts";
import type { Principal } from "../auth/principal.ts";
import { requireOwnPage } from "../auth/same-origin.ts";
import { isStepSecret } from "../sign-in/step-secret.ts";
import type { TotpSetUp } from "../sign-in/totp.ts";
import type { UserRow } from "../store/users.ts";
import { ApiError } from "./api-error.ts";
import type { ApiDeps, Env } from "./context.ts";
import { type Route, route } from "./route.ts";
import { recordFailure, signedIn } from "./sign-in.ts";
import { userOf } from "./users.ts";

export const factorRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/api/sign-in/second-factor",
    action: "public",
    summary: "Sign in: the code that follows the password; the answer sets a cookie",
    body: secondFactorBody,
    answer: signedInBody,
    async handle({ c, deps, body }) {
      const user = await proveSecondFactor(c, deps, body.step, body.code);
      return signedIn(c, deps, user, "password");
    },
  }),
  route({
    method: "GET",
    path: "/api/account/factors",
    action: "account:manage",
    summary: "Show which factors the user has beside the password",
    answer: factorsBody,
    async handle({ c, deps, principal: { user } }) {
      return c.json({
        totp: await deps.secondFactor.isOn(user.id),
        recovery_codes_left: await deps.store.factors.recoveryCodesLeft(user.id),
        passkeys: (await deps.store.passkeys.listOfUser(user.id)).length,
      });
    },
  }),
  route({
    method: "POST",
    path: "/api/account/totp",
    action: "account:manage",
    summary: "Begin to set up an authenticator app; the secret is shown this once",
    answer: totpSetUpBody,
    status: 201,
    handle: async ({ c, deps, principal }) => c.json(await beginTotp(c, deps, principal), 201),
  }),
  route({
    method: "POST",
    path: "/api/account/totp/confirm",
    action: "account:manage",
    summary: "Confirm the authenticator app by a code; the recovery codes are shown this once",
    body: codeBody,
    answer: recoveryCodesBody,
    async handle({ c, deps, principal, body }) {
      return c.json({ recovery_codes: await confirmTotp(c, deps, principal, body.code) });
    },
  }),
  route({
    method: "POST",
    path: "/api/account/totp/remove",
    action: "account:manage",
    summary: "Remove the authenticator app, by a code of it or a recovery code",
    body: codeBody,
    async handle({ c, deps, principal, body }) {
      await removeTotp(c, deps, principal, body.code);
      return c.json({ message: "the second factor is off" });
    },
  }),
  route({
    method: "POST",
    path: "/api/account/recovery-codes",
    action: "account:manage",
    summary: "Make new recovery codes, by a code; the earlier ones count for nothing",
    body: codeBody,
    answer: recoveryCodesBody,
    async handle({ c, deps, principal, body }) {
      return c.json({ recovery_codes: await renewRecoveryCodes(c, deps, principal, body.code) });
    },
  }),
  route({
    method: "DELETE",
    path: "/api/users/:user/factors",
    action: "admin",
    summary: "Remove the authenticator app and the passkeys of a user who has lost them",
    async handle({ c, deps, principal, param }) {
      const user = await userOf(param("user"), deps.store);
      const hadApp = await deps.secondFactor.remove(user.id);
      const passkeys = await deps.store.passkeys.removeAll(user.id);
      const details = { totp: hadApp, passkeys };
      const { address } = c.env;
      deps.audit.record({
        action: "user.factors_removed",
        principal,
        address,
        target: user.username,
        details,
      });
      return c.json(details);
    },
  }),
];

/**
 * The user whose password was right before, and whose code is right now. Records what happened.
 * @throws ApiError 401 `wrong_code`, 403, 410 `sign_in_expired`, 429
 */
export async function proveSecondFactor(
  c: Context<Env>,
  deps: ApiDeps,
  step: string,
  code: string,
): Promise<UserRow> {
  requireOwnPage(c.req.raw.headers, c.env);
  const { store, secondFactor, audit } = deps;
  const found = isStepSecret(step) ? await store.signInSteps.find("second_factor", step) : null;
  const user = found?.userId ? await store.users.get(found.userId) : null;
  if (!user) throw expired();
  try {
    const by = await secondFactor.check(user, code);
    // Of two right codes at the same moment, one signs in.
    if (!(await store.signInSteps.use("second_factor", step))) throw expired();
    if (by === "recovery_code") {
      const left = await store.factors.recoveryCodesLeft(user.id);
      const { address } = c.env;
      audit.record({ action: "recovery_code.used", address, target: user.username, details: { left } });
    }
    return user;
  } catch (error) {
    await recordFailure(c, deps, "second_factor", user.username, error);
    throw error;
  }
}

/** @throws ApiError 409 */
export async function beginTotp(
  c: Context<Env>,
  { secondFactor }: ApiDeps,
  { user }: Principal,
): Promise<TotpSetUp> {
  return secondFactor.begin(user, issuerOf(c));
}

/** How an authenticator app names this gateway. */
export function issuerOf(c: Context<Env>): string {
  return new URL(c.env.publicUrl).host;
}

/** @returns the recovery codes @throws ApiError 401, 409, 429 */
export async function confirmTotp(
  c: Context<Env>,
  { secondFactor, audit }: ApiDeps,
  principal: Principal,
  code: string,
): Promise<string[]> {
  const codes = await secondFactor.confirm(principal.user, code);
  record(c, audit, "totp.added", principal);
  return codes;
}

/** @throws ApiError 401, 409, 429 */
export async function removeTotp(
  c: Context<Env>,
  { secondFactor, audit }: ApiDeps,
  principal: Principal,
  code: string,
): Promise<void> {
  const { user } = principal;
  if (!(await secondFactor.isOn(user.id)))
    throw new ApiError(409, "totp_missing", "no authenticator app is set up");
  await secondFactor.check(user, code);
  await secondFactor.remove(user.id);
  record(c, audit, "totp.removed", principal);
}

/** @returns the recovery codes @throws ApiError 401, 409, 429 */
export async function renewRecoveryCodes(
  c: Context<Env>,
  { secondFactor, audit }: ApiDeps,
  principal: Principal,
  code: string,
): Promise<string[]> {
  await secondFactor.check(principal.user, code);
  const codes = await secondFactor.renewRecoveryCodes(principal.user);
  record(c, audit, "recovery_codes.renewed", principal);
  return codes;
}

// --- internal ---

function record(c: Context<Env>, audit: ApiDeps["audit"], action: string, principal: Principal): void {
  audit.record({ action, principal, address: c.env.address, target: principal.user.username });
}

function expired(): ApiError {
  return new ApiError(410, "sign_in_expired", "this sign-in has expired, or was used: begin again");
}
