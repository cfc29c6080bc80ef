/** The bound of each type of message: by its content, not by the largest frame. */
import {
  AGENT_MESSAGE_BYTES,
  OUTPUT_MESSAGE_BYTES,
  RESULT_MESSAGE_BYTES,
  SERVER_MESSAGE_BYTES,
  SMALL_MESSAGE_BYTES,
  VIEWER_MESSAGE_BYTES,
} from "./limits.ts";

/** Characters by type; a type without an entry has `SMALL_MESSAGE_BYTES`. */
export type MessageSizes = Readonly<Record<string, number | undefined>>;

/** Messages that only describe: their values are cut (`values.ts`), so they may be longer. */
const DESCRIBING = OUTPUT_MESSAGE_BYTES;

export const FROM_AGENT: MessageSizes = {
  system_info: DESCRIBING,
  stats: DESCRIBING,
  shell_error: DESCRIBING,
  shell_output: OUTPUT_MESSAGE_BYTES,
  exec_result: RESULT_MESSAGE_BYTES,
  sessions: OUTPUT_MESSAGE_BYTES,
};
export const FROM_SERVER: MessageSizes = {
  shell_input: OUTPUT_MESSAGE_BYTES,
  exec: SERVER_MESSAGE_BYTES,
  run: OUTPUT_MESSAGE_BYTES,
  /** It may carry a command (`exec -t`). */
  attach: OUTPUT_MESSAGE_BYTES,
};
export const FROM_VIEWER: MessageSizes = {
  input: VIEWER_MESSAGE_BYTES,
  exec: VIEWER_MESSAGE_BYTES,
  run: OUTPUT_MESSAGE_BYTES,
};
/** A replay may be 256 KiB, each byte as six characters. */
export const TO_VIEWER: MessageSizes = {
  output: 4 * OUTPUT_MESSAGE_BYTES,
  exec_result: AGENT_MESSAGE_BYTES,
  sessions: OUTPUT_MESSAGE_BYTES,
};

/**
 * The type that a message claims, without parsing it: at the beginning, where most encoders put it, or at the end, where
 * an encoder that sorts keys puts it. Null where it is elsewhere.
 */
export function claimedType(text: string): string | null {
  const claim = FIRST.exec(text.slice(0, REACH)) ?? LAST.exec(text.slice(-REACH));
  return claim?.[1] ?? null;
}

/** Characters that a message of this type may have. */
export function mostOf(sizes: MessageSizes, type: string | null): number {
  return (type !== null && Object.hasOwn(sizes, type) ? sizes[type] : undefined) ?? SMALL_MESSAGE_BYTES;
}

// --- internal ---

const REACH = 128;
const FIRST = /^\s*\{\s*"type"\s*:\s*"(\w{1,64})"/;
const LAST = /"type"\s*:\s*"(\w{1,64})"\s*\}\s*$/;
