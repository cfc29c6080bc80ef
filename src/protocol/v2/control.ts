/**
 * The control messages of rexec.v2: JSON text frames, on both legs. `docs/protocol-v2.md` says what
 * each side does with them. "Opener" is the side that attaches: the gateway towards an agent, a viewer towards a gateway.
 */
import { z } from "zod";
import { type Parsed, parseMessage } from "../parse.ts";

/** Most bytes of one control message. */
export const MAX_CONTROL_BYTES = 1024 * 1024;

const channel = z.number().int().min(0).max(0xffff_ffff);
const offset = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const side = z.number().int().min(1).max(65_535);
const id = z.string().min(1).max(256);

/** What is known of a session, for lists and at attach. Times are Unix milliseconds. */
export const sessionInfo = z.object({
  session: id,
  /** A UUID made at the session's start: the same name started again has another one. */
  instance: id,
  kind: z.enum(["shell", "run"]),
  command: z.string(),
  started_at: z.number(),
  last_output_at: z.number().nullable(),
  ended_at: z.number().nullable(),
  exit_code: z.number().nullable(),
  signal: z.string().nullable(),
  /** Bytes of output so far. */
  bytes: offset,
  cols: z.number(),
  rows: z.number(),
  /** Viewers attached; filled in by the gateway. */
  viewers: z.number(),
});
export type SessionInfo = z.infer<typeof sessionInfo>;

/** Why something was not done; a code of a later version reads as `failed`. */
const refusal = z
  .enum(["gone", "lost", "failed", "too_many_sessions", "too_many_channels", "bad_message"])
  .catch("failed");
export type RefusalCode = z.infer<typeof refusal>;

const attach = z.object({
  type: z.literal("attach"),
  channel,
  session: id,
  /** Start a shell where none of that name runs. */
  create: z.boolean().default(false),
  /** With `cursor`: resume this instance from this offset. */
  instance: id.optional(),
  cursor: offset.optional(),
  /** Without `cursor`: start this many bytes before the end. */
  tail: offset.optional(),
  /** False for a channel that only carries input. */
  output: z.boolean().default(true),
  /** False for a reader without a say in the pace: it gets a GAP where it is too slow. */
  hold: z.boolean().default(true),
  /** The opener reads DATA_ZSTD too. */
  zstd: z.boolean().default(false),
  /** Whose input this is; the agent counts each viewer's by itself. */
  viewer: id,
  cols: side.optional(),
  rows: side.optional(),
});

const run = z.object({
  type: z.literal("run"),
  channel,
  /** A UUID of the opener's: the same again attaches to what runs. */
  run: id,
  command: z.string(),
  cwd: z.string().optional(),
  env: z.record(z.string(), z.string()).optional(),
  timeout_ms: z.number().int().positive().optional(),
  /** The opener reads DATA_ZSTD too. */
  zstd: z.boolean().default(false),
  /** Offsets of stdout and stderr to go on from. */
  cursors: z.tuple([offset, offset]).default([0, 0]),
  /** True where it has been asked for before: an agent that doesn't know it must not run it a second time. */
  resume: z.boolean().default(false),
});

const fromOpener = z.discriminatedUnion("type", [
  attach,
  run,
  z.object({ type: z.literal("resize"), channel, cols: side, rows: side }),
  z.object({ type: z.literal("signal"), channel, signal: z.string().max(16) }),
  z.object({ type: z.literal("detach"), channel }),
  z.object({ type: z.literal("hold"), channel, hold: z.boolean() }),
  z.object({ type: z.literal("kill"), session: id }),
  z.object({ type: z.literal("list") }),
]);
/** From the side that attaches. */
export type OpenerMessage = z.infer<typeof fromOpener>;
/** The same as it is written: what has a default may be left out. */
export type OpenerInput = z.input<typeof fromOpener>;

const fromOwner = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("attached"),
    channel,
    info: sessionInfo,
    /** Where output (and stderr) goes on. */
    starts: z.tuple([offset, offset]),
    /** How much of this viewer's input has been applied. */
    input: offset,
    created: z.boolean(),
  }),
  z.object({
    type: z.literal("screen"),
    channel,
    /** Live bytes go on here. */
    offset,
    /** How many SCREEN bytes follow. */
    bytes: offset,
    cols: side,
    rows: side,
    /** Bytes of output that this viewer never gets. */
    skipped: offset,
  }),
  z.object({
    type: z.literal("ended"),
    channel,
    exit_code: z.number().nullable(),
    signal: z.string().nullable(),
    timed_out: z.boolean().optional(),
  }),
  z.object({ type: z.literal("size"), channel, cols: side, rows: side, by: z.string() }),
  z.object({ type: z.literal("sessions"), sessions: z.array(sessionInfo) }),
  z.object({ type: z.literal("refused"), channel: channel.optional(), code: refusal, message: z.string() }),
  z.object({ type: z.literal("agent_status"), status: z.enum(["online", "offline"]) }),
]);
/** From the side that owns or serves the sessions. */
export type OwnerMessage = z.infer<typeof fromOwner>;
/** The same as it is written. */
export type OwnerInput = z.input<typeof fromOwner>;

/** Never throws; see `Parsed`. */
export function parseOpener(text: string): Parsed<OpenerMessage> {
  return parseMessage(fromOpener, text);
}

/** Never throws; see `Parsed`. */
export function parseOwner(text: string): Parsed<OwnerMessage> {
  return parseMessage(fromOwner, text);
}

/** As it travels. */
export function encodeControl(message: OpenerInput | OwnerInput): string {
  return JSON.stringify(message);
}
