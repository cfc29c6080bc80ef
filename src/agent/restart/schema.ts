/**
 * What one program image of the agent hands to the next. The next may be older or newer: it takes what has its own
 * `HANDOVER_VERSION`, and refuses everything else. Unknown fields are ignored, so a field that may be missing can be
 * added under the same number; anything else needs a new one.
 */
import * as z from "zod/mini";

export const HANDOVER_VERSION = 1;

const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array);
const time = z.nullable(z.number());
const size = { cols: z.int(), rows: z.int() };
const exit = z.object({ exitCode: z.nullable(z.int()), signal: z.nullable(z.string()) });

/** The part that stays as it is, so that an image that cannot read the rest still knows what it was given. */
export const envelope = z.object({
  version: z.int(),
  /** Of both images. */
  pid: z.int(),
  /** Leaders of sessions and groups, whose end is waited for; `start` in clock ticks since boot, to know them by. */
  leaders: z.array(z.object({ pid: z.int(), start: z.nullable(z.int()) })),
  /** All that was left open: terminals and pipes. */
  fds: z.array(z.int()),
});
export type Envelope = z.infer<typeof envelope>;

const savedPty = z.object({
  fd: z.nullable(z.int()),
  pid: z.int(),
  start: z.nullable(z.int()),
  exit: z.nullable(exit),
  unread: z.array(bytes),
});

/** Offset of the first byte, and the bytes, in pieces. */
const savedRing = z.object({ start: z.int(), parts: z.array(bytes) });
export type SavedRing = z.infer<typeof savedRing>;

const savedSession = z.object({
  id: z.string(),
  instance: z.string(),
  command: z.string(),
  state: z.enum(["running", "stopping", "drained", "over"]),
  /** Null where nothing more is to be read or written. */
  pty: z.nullable(savedPty),
  exit: z.nullable(exit),
  ...size,
  startedAt: z.number(),
  lastOutputAt: time,
  endedAt: time,
  /** Since something was typed or printed, and since it was last seen to have a viewer, ms. */
  idleMs: z.number(),
  unwatchedMs: z.number(),
  ring: savedRing,
  /** Output that is not in the ring yet, as there was no room. */
  pendingChunk: bytes,
  /** Said behind its last output: why it was ended. */
  farewell: z.string(),
  /** What was asked for over the connection that was given up. */
  left: z.nullable(z.object({ consumed: z.int(), limit: z.int() })),
  isForV1: z.boolean(),
  /** What a server of rexec.v1 has not taken. */
  buffer: bytes,
  viewers: z.array(z.object({ id: z.string(), accepted: z.int(), applied: z.int(), silentMs: z.number() })),
  /** Input that the terminal has not taken, in order; of a viewer of rexec.v2, or of none in particular. */
  input: z.array(z.object({ viewer: z.nullable(z.string()), bytes })),
  /** Input of rexec.v1 is refused until all of that is written. */
  refusesInput: z.optional(z.boolean()),
});
export type SavedSession = z.infer<typeof savedSession>;
/** The part of it that `V1Feed` saves. */
export type SavedFeed = Pick<SavedSession, "isForV1" | "buffer">;
/** The part of it that `SessionInput` saves. */
export type SavedInput = Pick<SavedSession, "viewers" | "input" | "refusesInput">;
/** All else that is not made of something: a field that is added to `savedSession` is a field of each session. */
export type KeptSession = Omit<
  SavedSession,
  "pty" | "ring" | "idleMs" | "unwatchedMs" | "left" | keyof SavedFeed | keyof SavedInput
>;

const savedSessions = z.object({
  isV2: z.boolean(),
  /** Shells that were ever started. */
  started: z.optional(z.int()),
  sessions: z.array(savedSession),
  ended: z.array(z.object({ session: savedSession, leftMs: z.number() })),
  earlySizes: z.array(z.object({ id: z.string(), ...size })),
  again: z.array(z.string()),
});
export type SavedSessions = z.infer<typeof savedSessions>;

const savedStream = z.object({
  fd: z.nullable(z.int()),
  ring: savedRing,
  unread: z.array(bytes),
  consumed: z.int(),
  limit: z.int(),
  leftOpen: z.optional(z.boolean()),
  lastAt: z.number(),
});
export type SavedStream = z.infer<typeof savedStream>;

const savedRun = z.object({
  id: z.string(),
  instance: z.string(),
  command: z.string(),
  pid: z.int(),
  start: z.nullable(z.int()),
  /** Where it has ended, and been waited for. */
  exit: z.nullable(exit),
  startedAt: z.number(),
  endedAt: time,
  timedOut: z.boolean(),
  /** Until it is ended for its time, ms; null for never. */
  timeoutMs: time,
  lingerMs: z.optional(z.number()),
  abandoned: z.boolean(),
  stdout: savedStream,
  stderr: savedStream,
  stdin: z.object({
    fd: z.nullable(z.int()),
    accepted: z.int(),
    applied: z.int(),
    finished: z.boolean(),
    pending: z.array(bytes),
  }),
});
export type SavedRun = z.infer<typeof savedRun>;
/** All of it that is not made of something: a field that is added to `savedRun` is a field of each command. */
export type KeptRun = Omit<SavedRun, "pid" | "start" | "timeoutMs" | "stdin" | "stdout" | "stderr">;

export const handover = z.object({
  /** Replacements of this process so far, this one included. */
  count: z.int(),
  reason: z.string(),
  sessions: savedSessions,
  runs: z.array(savedRun),
});
export type Handover = z.infer<typeof handover>;
