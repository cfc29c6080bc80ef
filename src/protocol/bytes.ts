/** `bytes` of the contract: standard base64 in a JSON string. */
import { z } from "zod";

/** Standard base64 with padding, as it travels. */
export function encodeBytes(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/** The bytes of a standard base64 string, or null where it is none (other alphabet, bad padding, stray text). */
export function decodeBytes(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}

/** Schema of a `bytes` field: parses to the decoded bytes. */
export const bytesField = z.string().transform((text, context) => {
  const bytes = decodeBytes(text);
  if (bytes) return bytes;
  context.addIssue({ code: "custom", message: "not standard base64" });
  return z.NEVER;
});
