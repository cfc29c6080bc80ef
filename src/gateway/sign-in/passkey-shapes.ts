/** What browsers answer with (WebAuthn, in its JSON form). The library checks what is in the bytes. */
import * as z from "zod/mini";
import { brief, exact, LENGTHS, lenient, someOf } from "../../protocol/values.ts";

/** Base64url, of at most 32 KiB of text. */
const bytes = z.string().check(z.maxLength(32 * 1024), z.regex(/^[A-Za-z0-9_-]*$/));
const credentialId = z.string().check(z.minLength(1), z.maxLength(1_400), z.regex(/^[A-Za-z0-9_-]+$/));
const step = exact(LENGTHS.id, 1);

const credential = {
  id: credentialId,
  rawId: credentialId,
  type: z.literal("public-key"),
  clientExtensionResults: z._default(z.object({}), {}),
};

/** `POST /api/account/passkeys` request. */
export const newPasskeyBody = z.object({
  step,
  name: z.optional(brief(LENGTHS.name)),
  credential: z.object({
    ...credential,
    response: z.object({
      clientDataJSON: bytes,
      attestationObject: bytes,
      transports: lenient(someOf(brief(LENGTHS.word), 16)),
    }),
  }),
});
export type NewPasskeyBody = z.infer<typeof newPasskeyBody>;

/** `POST /api/sign-in/passkey` request. */
export const usePasskeyBody = z.object({
  step,
  credential: z.object({
    ...credential,
    response: z.object({
      clientDataJSON: bytes,
      authenticatorData: bytes,
      signature: bytes,
      userHandle: lenient(bytes),
    }),
  }),
});
export type UsePasskeyBody = z.infer<typeof usePasskeyBody>;
