/** The name of a sign-in step, as a browser brings it back: 256 random bits. Only the SHA-256 is stored. */
import { randomBytes } from "node:crypto";

/** A new name. It is a secret, and looks like no credential. */
export function makeStepSecret(): string {
  return `rexec_step_${randomBytes(32).toString("hex")}`;
}

/** True for what a name looks like. */
export function isStepSecret(text: string): boolean {
  return /^rexec_step_[0-9a-f]{64}$/.test(text);
}
