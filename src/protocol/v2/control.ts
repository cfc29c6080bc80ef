/**
 * The control messages of rexec.v2: JSON text frames, on both legs. `docs/protocol-v2.md` says what
 * each side does with them. "Opener" is the side that attaches: the gateway towards an agent, a viewer towards a gateway.
 */
import * as z from "zod/mini";
import { LONGEST_COMMAND, MAX_LINGER_MS } from "../limits.ts";
import { FROM_AGENT, FROM_SERVER } from "../message-size.ts";
import { type Parsed, parseMessage } from "../parse.ts";
import { isPathSegment } from "../path.ts";
import { brief, COUNTS, exact, LENGTHS, lenient, listOf, someOf, variables } from "../values.ts";
import { MAX_OFFSET } from "./frames.ts";

/** Most characters of a command as lists show it. */
export const SHOWN_CHARS = 200;

/** Most bytes of one control message. */
export const MAX_CONTROL_BYTES = 1024 * 1024;

const channel = z.int().check(z.minimum(0), z.maximum(0xffff_ffff));
const offset = z.int().check(z.minimum(0), z.maximum(MAX_OFFSET));
const side = z.int().check(z.minimum(1), z.maximum(65_535));
const id = exact(LENGTHS.id, 1);
/** Of new sessions and commands: the API has a URL for each. */
const newId = id.check(z.refine(isPathSegment, "nothing can have that name"));

/** The viewer id of the gateway itself at an agent: it sends no input, and no viewer may have it. */
export const GATEWAY_VIEWER = "gateway";

/** A session as lists and `attached` show it. Times are Unix milliseconds. */
export const sessionInfo = z.object({
  session: id,
  /** A UUID made at the session's start: the same name started again has another one. */
  instance: id,
  kind: z.enum(["shell", "run"]),
  command: brief(LENGTHS.shownCommand),
  started_at: z.number(),
  last_output_at: z.nullable(z.number()),
  ended_at: z.nullable(z.number()),
  exit_code: z.nullable(z.number()),
  signal: z.nullable(brief(LENGTHS.word)),
  /** Bytes of output so far. */
  bytes: offset,
  /** A command's may be 0: it has no terminal. */
  cols: z.int().check(z.minimum(0), z.maximum(65_535)),
  rows: z.int().check(z.minimum(0), z.maximum(65_535)),
  /** Viewers attached; filled in by the gateway. */
  viewers: z.number(),
});
export type SessionInfo = z.infer<typeof sessionInfo>;

/** `GET /api/agents/{id}/sessions` */
export const sessionsBody = z.object({ sessions: someOf(sessionInfo, COUNTS.sessions) });

/** Why something was not done; a code of a later version reads as `failed`. */
const refusal = z.catch(
  z.enum(["gone", "lost", "failed", "too_many_sessions", "too_many_channels", "bad_message", "not_allowed"]),
  "failed",
);
export type RefusalCode = z.infer<typeof refusal>;

/** A word of plain characters; any other value counts as missing. */
function plainWord(most: number) {
  return z.catch(z.optional(z.string().check(z.regex(/^[\w+-][\w.+-]*$/), z.maxLength(most))), undefined);
}

const viewerTerminal = { term: plainWord(64), colorterm: plainWord(32) };

/** TERM and COLORTERM of the opener's terminal, for a shell that it starts. */
export interface ViewerTerminal {
  term?: string | undefined;
  colorterm?: string | undefined;
}

const attach = z.object({
  type: z.literal("attach"),
  channel,
  session: newId,
  /** Start a shell where none of that name runs. */
  create: z._default(z.boolean(), false),
  /** With `cursor`: resume this instance from this offset. */
  instance: z.optional(id),
  cursor: z.optional(offset),
  /** Without `cursor`: start this many bytes before the end. */
  tail: z.optional(offset),
  /** False for a channel that only carries input. */
  output: z._default(z.boolean(), true),
  /** False for a reader without flow control: it gets a GAP where it is too slow. */
  hold: z._default(z.boolean(), true),
  /** The opener reads DATA_ZSTD too. */
  zstd: z._default(z.boolean(), false),
  /** The viewer of this channel's input; the agent keeps an input offset for each viewer. */
  viewer: id,
  cols: z.optional(side),
  rows: z.optional(side),
  ...viewerTerminal,
  /** With `create`: a command line in place of a login shell. An agent that doesn't know the field starts a shell. */
  command: z.optional(z.string().check(z.minLength(1), z.maxLength(LONGEST_COMMAND))),
  /** The command as lists show it. `attached` has it, which tells that the agent knows commands here. */
  shown: z.optional(z.string().check(z.minLength(1), z.maxLength(SHOWN_CHARS))),
  /** To a gateway: record the session. `attached` says whether it does. */
  record: z._default(z.boolean(), false),
});

const run = z.object({
  type: z.literal("run"),
  channel,
  /** A UUID that the opener chose: the same again attaches to the running command. */
  run: newId,
  command: exact(LENGTHS.command),
  /** The command as lists show it, where the line that runs is not for reading. */
  shown: z.optional(z.string().check(z.maxLength(SHOWN_CHARS))),
  cwd: z.optional(exact(LENGTHS.path)),
  env: z.optional(variables),
  timeout_ms: z.optional(z.int().check(z.positive())),
  /** Silence that ends the output after the command's exit, while a background process holds its pipes open. */
  linger_ms: z.optional(z.int().check(z.minimum(0), z.maximum(MAX_LINGER_MS))),
  /** The opener reads DATA_ZSTD too. */
  zstd: z._default(z.boolean(), false),
  /** Offsets of stdout and stderr to go on from. */
  cursors: z._default(z.tuple([offset, offset]), [0, 0]),
  /** True for a repeated request: an agent that doesn't know the command must not run it again. */
  resume: z._default(z.boolean(), false),
});

const fromOpener = z.discriminatedUnion("type", [
  attach,
  run,
  z.object({ type: z.literal("resize"), channel, cols: side, rows: side }),
  z.object({ type: z.literal("signal"), channel, signal: z.string().check(z.maxLength(16)) }),
  z.object({ type: z.literal("detach"), channel }),
  z.object({ type: z.literal("hold"), channel, hold: z.boolean() }),
  z.object({ type: z.literal("kill"), session: id }),
  z.object({ type: z.literal("list") }),
  /** To a gateway: from now on this viewer alone may type, or everybody. */
  z.object({ type: z.literal("control"), channel, mode: z.enum(["everybody", "only"]) }),
  /** To an agent: whether a viewer reads the v1 output of that session. True until the first such message. */
  z.object({ type: z.literal("v1_output"), session: id, wanted: z.boolean() }),
]);
/** From the side that attaches. */
export type OpenerMessage = z.infer<typeof fromOpener>;
/** The same as it is written: fields with a default may be left out. */
export type OpenerInput = z.input<typeof fromOpener>;

/** A viewer of a session: the account's name, and since when, in Unix milliseconds. */
const other = z.object({ name: brief(LENGTHS.name), since: z.number() });
export type OtherViewer = z.infer<typeof other>;

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
    /** From a gateway, to a viewer that is new to the session: the first of its other viewers. */
    others: lenient(someOf(other, COUNTS.others)),
    /** From a gateway: the session is recorded. */
    recorded: lenient(z.boolean()),
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
    /** The first so many of them draw. After them, with the pen at rest, a viewer may draw something of its own. */
    drawn: lenient(offset),
  }),
  z.object({
    type: z.literal("ended"),
    channel,
    exit_code: z.nullable(z.number()),
    signal: z.nullable(brief(LENGTHS.word)),
    timed_out: lenient(z.boolean()),
    /** A background process still held the pipes: its further output is lost. */
    left_open: lenient(z.boolean()),
  }),
  /** From a gateway: the recording of the session begins or ends. */
  z.object({ type: z.literal("recorded"), channel, on: z.boolean() }),
  z.object({ type: z.literal("size"), channel, cols: side, rows: side, by: brief(LENGTHS.id) }),
  z.object({ type: z.literal("sessions"), sessions: listOf(sessionInfo, COUNTS.sessions) }),
  z.object({
    type: z.literal("refused"),
    channel: z.optional(channel),
    code: refusal,
    message: brief(LENGTHS.error),
  }),
  z.object({ type: z.literal("agent_status"), status: z.enum(["online", "offline"]) }),
  /** From a gateway: who may type. Until the first such message everybody may. */
  z.object({
    type: z.literal("control"),
    channel,
    mode: z.catch(z.enum(["everybody", "only"]), "everybody"),
    /** The one that may, and its name. */
    viewer: lenient(brief(LENGTHS.id)),
    name: lenient(brief(LENGTHS.name)),
    /** Whether this viewer's input counts. */
    may_type: z.boolean(),
    /** It does not, and will not: the viewer may only look. */
    read_only: lenient(z.boolean()),
  }),
  /** From a gateway, once: what was typed is dropped, and so is what follows until the next `control`. */
  z.object({
    type: z.literal("input_refused"),
    channel,
    code: z.catch(z.enum(["read_only", "controlled"]), "read_only"),
    message: brief(LENGTHS.error),
  }),
]);
/** From the side that owns or serves the sessions. */
export type OwnerMessage = z.infer<typeof fromOwner>;
/** The same as it is written. */
export type OwnerInput = z.input<typeof fromOwner>;

/** Never throws; see `Parsed`. */
export function parseOpener(text: string): Parsed<OpenerMessage> {
  return parseMessage(fromOpener, text, FROM_SERVER);
}

/** Never throws; see `Parsed`. */
export function parseOwner(text: string): Parsed<OwnerMessage> {
  return parseMessage(fromOwner, text, FROM_AGENT);
}

/** As it travels. */
export function encodeControl(message: OpenerInput | OwnerInput): string {
  return JSON.stringify(message);
}
