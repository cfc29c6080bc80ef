/** Pages and forms of the device flow, the second factor and passkeys. They do what the API does, by the same functions. */
import type { Context } from "hono";
import type { Principal } from "../../auth/principal.ts";
import { relyingPartyOf } from "../../sign-in/passkeys.ts";
import { ApiError } from "../api-error.ts";
import type { ApiDeps, Env } from "../context.ts";
import { recordDecision } from "../device.ts";
import {
  beginTotp,
  confirmTotp,
  issuerOf,
  proveSecondFactor,
  removeTotp,
  renewRecoveryCodes,
} from "../factors.ts";
import { removePasskey } from "../passkeys.ts";
import { type Route, route } from "../route.ts";
import { deviceCodePage, deviceDonePage, deviceRequestPage } from "./device.ts";
import { factorsPage, recoveryCodesPage, secondFactorPage, totpPage } from "./factors.ts";
import { formOf, nextOf, signedInForm, signedInPage, tried, welcome } from "./forms.ts";
import { PASSKEY_SCRIPT, PASSKEY_SCRIPT_NAME } from "./passkey-script.ts";
import { messagePage, type Problem } from "./sign-in.ts";

export const factorPageRoutes: readonly Route[] = [
  route({
    method: "POST",
    path: "/second-factor",
    action: "public",
    summary: "Form: the code that follows the password",
    async handle({ c, deps }) {
      const form = await formOf(c);
      const step = form.get("step") ?? "";
      const next = nextOf(form.get("next"));
      return tried(
        () => proveSecondFactor(c, deps, step, form.get("code") ?? ""),
        (user) => welcome(c, deps, user, "password", next),
        (problem) =>
          problem.status === 410 || problem.status === 403
            ? messagePage("Not signed in", problem)
            : secondFactorPage(step, next, problem),
      );
    },
  }),
  route({
    method: "GET",
    path: "/device",
    action: "public",
    summary: "Page: the code of a machine that asks to be signed in",
    handle: ({ c, deps }) => signedInPage(c, deps, "device", ({ user }) => deviceCodePage(user)),
  }),
  route({
    method: "POST",
    path: "/device",
    action: "public",
    summary: "Form: look at a machine's request, approve it or refuse it",
    handle: ({ c, deps }) =>
      signedInForm(
        c,
        deps,
        "device",
        (principal, form) => decide(c, deps, principal, form),
        ({ user }, problem) => deviceCodePage(user, problem),
      ),
  }),
  route({
    method: "GET",
    path: "/factors",
    action: "public",
    summary: "Page: the user's second factor and passkeys",
    handle: ({ c, deps }) => signedInPage(c, deps, "factors", (principal) => showFactors(c, deps, principal)),
  }),
  route({
    method: "POST",
    path: "/factors",
    action: "public",
    summary: "Form: set up, renew or remove a factor",
    handle: ({ c, deps }) =>
      signedInForm(
        c,
        deps,
        "factors",
        (principal, form) => change(c, deps, principal, form),
        (principal, problem) => showFactors(c, deps, principal, { problem }),
      ),
  }),
  route({
    method: "GET",
    path: `/${PASSKEY_SCRIPT_NAME}`,
    action: "public",
    summary: "Script of the pages with a passkey",
    handle: ({ c }) => c.body(PASSKEY_SCRIPT, 200, { "Content-Type": "text/javascript; charset=utf-8" }),
  }),
];

// --- internal ---

async function decide(
  c: Context<Env>,
  deps: ApiDeps,
  principal: Principal,
  form: URLSearchParams,
): Promise<Response> {
  await deps.access.require(principal, "account:manage");
  const [code, decision] = [form.get("code") ?? "", form.get("decision")];
  const { user } = principal;
  if (decision === null) return deviceRequestPage(user, await deps.deviceFlow.look(code, user), code);
  const isApproved = decision === "approve";
  const row = await deps.deviceFlow.decide(code, user, isApproved);
  recordDecision(deps, principal, c.env.address, row, isApproved);
  return deviceDonePage(row, isApproved);
}

async function change(
  c: Context<Env>,
  deps: ApiDeps,
  principal: Principal,
  form: URLSearchParams,
): Promise<Response> {
  await deps.access.require(principal, "account:manage");
  const code = form.get("code") ?? "";
  switch (form.get("do")) {
    case "begin":
      return totpPage(await beginTotp(c, deps, principal));
    case "confirm":
      return tried(
        () => confirmTotp(c, deps, principal, code),
        recoveryCodesPage,
        // The app has the secret by now: it stays the same.
        async (problem) => {
          const setUp = await deps.secondFactor.waiting(principal.user, issuerOf(c));
          return setUp ? totpPage(setUp, problem) : showFactors(c, deps, principal, { problem });
        },
      );
    case "codes":
      return recoveryCodesPage(await renewRecoveryCodes(c, deps, principal, code));
    case "remove":
      await removeTotp(c, deps, principal, code);
      return showFactors(c, deps, principal, { note: "The authenticator app is removed." });
    case "remove-passkey":
      await removePasskey(c, deps, principal, form.get("passkey") ?? "");
      return showFactors(c, deps, principal, { note: "The passkey is removed." });
    default:
      throw new ApiError(400, "bad_form", "the form asks for nothing that there is");
  }
}

async function showFactors(
  c: Context<Env>,
  { secondFactor, store }: ApiDeps,
  { user }: Principal,
  said: { problem?: Problem; note?: string } = {},
): Promise<Response> {
  const party = relyingPartyOf(c.env.publicUrl);
  return factorsPage({
    isOn: await secondFactor.isOn(user.id),
    recoveryCodesLeft: await store.factors.recoveryCodesLeft(user.id),
    passkeys: await store.passkeys.listOfUser(user.id),
    noPasskeys: typeof party === "string" ? party : null,
    ...said,
  });
}
