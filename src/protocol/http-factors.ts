/** Shapes of the HTTP API about second factors and passkeys. See `http.ts` for the rules. */
import * as z from "zod/mini";
import { brief, exact, LENGTHS, lenient, someOf } from "./values.ts";

const id = exact(LENGTHS.id, 1);
const code = exact(LENGTHS.name, 1);

/** A request that needs a code of the authenticator app, or a recovery code. */
export const codeBody = z.object({ code });

/** `POST /api/sign-in/second-factor` request. */
export const secondFactorBody = z.object({ step: id, code });

/** The answer to a right password of an account with a second factor, status 202: a code is to follow. */
export const secondStepBody = z.object({
  /** For `POST /api/sign-in/second-factor`. */
  step: id,
  /** Seconds. */
  expires_in: z.int(),
});

/** `GET /api/account/factors` */
export const factorsBody = z.object({
  totp: z.boolean(),
  recovery_codes_left: z.catch(z.int(), 0),
  passkeys: z.catch(z.int(), 0),
});

/** `POST /api/account/totp` answer: shown once. */
export const totpSetUpBody = z.object({
  /** Base 32. */
  secret: exact(LENGTHS.name, 1),
  uri: exact(LENGTHS.path, 1),
  /** The URI as a QR code: an SVG element. */
  svg: exact(64 * 1024),
});

/** Recovery codes, shown once. */
export const recoveryCodesBody = z.object({ recovery_codes: someOf(brief(LENGTHS.word), 64) });

/** One passkey. */
export const passkeyBody = z.object({
  id,
  name: lenient(brief(LENGTHS.name)),
  backed_up: lenient(z.boolean()),
  created_at: lenient(brief(LENGTHS.time)),
  last_used_at: lenient(z.nullable(brief(LENGTHS.time))),
});

/** `GET /api/account/passkeys` */
export const passkeyListBody = z.object({ passkeys: someOf(passkeyBody, 1_000) });

/** What `navigator.credentials` takes, in its JSON form, and the step to bring back. */
export const passkeyOptionsBody = z.object({ step: id, options: z.looseObject({}) });
