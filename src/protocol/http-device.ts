/** Shapes of the device flow (RFC 8628) over JSON: `/api/device/…`. */
import * as z from "zod/mini";
import { brief, COUNTS, exact, LENGTHS, lenient, listOf, someOf } from "./values.ts";

const code = exact(LENGTHS.id, 1);

/** `POST /api/device/code` request. */
export const deviceCodeBody = z.object({
  /** The name of the machine that asks. */
  client: z.optional(brief(LENGTHS.hostname)),
  /** Scopes of the token; default `["*"]`. */
  scopes: z.optional(listOf(exact(LENGTHS.word, 1), COUNTS.scopes)),
});

/** `POST /api/device/code` answer. */
export const deviceStartBody = z.object({
  device_code: code,
  user_code: code,
  /** The page that takes the code. */
  verification_uri: exact(LENGTHS.path, 1),
  /** Seconds. */
  expires_in: z.number().check(z.minimum(1), z.maximum(24 * 60 * 60)),
  /** Seconds between two polls. */
  interval: z._default(z.number().check(z.minimum(1), z.maximum(600)), 5),
});
export type DeviceStart = z.infer<typeof deviceStartBody>;

/** `POST /api/device/token` request. */
export const deviceTokenBody = z.object({ device_code: code });

/** `POST /api/device/token` answer with status 200. */
export const deviceGrantBody = z.object({
  access_token: exact(LENGTHS.token, 1),
  token_type: lenient(brief(LENGTHS.word)),
  /** As RFC 6749 has them: with spaces between them. */
  scope: lenient(brief(LENGTHS.error)),
  /** Of the token in `GET /api/tokens`. */
  token_id: lenient(code),
});

/** `POST /api/device/token` answer with status 400: `error` is a code of RFC 8628. */
export const deviceErrorBody = z.object({
  error: brief(LENGTHS.word),
  error_description: lenient(brief(LENGTHS.error)),
});

/** `POST /api/device/lookup` request. */
export const deviceLookupBody = z.object({ user_code: exact(LENGTHS.word, 1) });

/** `POST /api/device/approve` request: `approve: false` refuses the sign-in. */
export const deviceApproveBody = z.object({
  user_code: exact(LENGTHS.word, 1),
  approve: z._default(z.boolean(), true),
});

/** What asks to be signed in, as the person who decides sees it. */
export const deviceRequestBody = z.object({
  client: z.catch(brief(LENGTHS.hostname), ""),
  address: z.catch(brief(LENGTHS.hostname), ""),
  scopes: z.catch(someOf(brief(LENGTHS.word), COUNTS.scopes), []),
  created_at: lenient(brief(LENGTHS.time)),
  expires_at: lenient(brief(LENGTHS.time)),
});
export type DeviceRequest = z.infer<typeof deviceRequestBody>;
