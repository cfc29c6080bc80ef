/** `bytes` of the contract: standard base64 in a JSON string. */
import * as z from "zod/mini";

/** The bytes of a standard base64 string; null for another alphabet, bad padding or stray text. */
export function decodeBytes(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}

/** Schema of a `bytes` field: parses to the decoded bytes. */
export const bytesField = z.pipe(
  z.string(),
  z.transform((text: string, context) => {
    const bytes = decodeBytes(text);
    if (bytes) return bytes;
    context.issues.push({ code: "custom", message: "not standard base64", input: text });
    return z.NEVER;
  }),
);
