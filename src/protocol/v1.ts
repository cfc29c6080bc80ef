/**
 * The v1 messages between a server and an agent: one JSON text frame each, `{"type", "data"?}`.
 * Schemas check what comes in; the `encode…` functions make what goes out. Unknown fields are dropped, unknown
 * types reported as such, so that either side may be newer.
 */
import * as z from "zod/mini";
import { bytesField } from "./bytes.ts";
import { EXEC_STREAM_BYTES, MAX_LINGER_MS } from "./limits.ts";
import { FROM_AGENT, FROM_SERVER } from "./message-size.ts";
import { type Parsed, parseMessage } from "./parse.ts";
import { brief, exact, LENGTHS, lenient, variables } from "./values.ts";

/** The WebSocket subprotocol of this contract. */
export const SUBPROTOCOL_V1 = "rexec.v1";
/** A client that cannot set headers offers its token as `rexec.token.TOKEN`. */
export const TOKEN_SUBPROTOCOL_PREFIX = "rexec.token.";

const sessionId = exact(LENGTHS.id);

/** `exec` of the contract and our optional additions. */
export const execRequest = z.object({
  /** What the shell runs with `-c`. */
  command: exact(LENGTHS.command),
  /** Ours: comes back in the result, so that several can run at once. */
  id: z.optional(exact(LENGTHS.id)),
  /** Ours: milliseconds until the whole process group is killed. */
  timeout_ms: z.optional(z.int().check(z.positive())),
  /** Ours: silence that ends the output after the command's exit, while a background process holds its pipes open. */
  linger_ms: z.optional(z.int().check(z.minimum(0), z.maximum(MAX_LINGER_MS))),
  /** Ours: working folder. */
  cwd: z.optional(exact(LENGTHS.path)),
  /** Ours: added to the environment. */
  env: z.optional(variables),
  /** Ours: the whole of stdin. Without it stdin is empty. */
  stdin: z.optional(bytesField),
  /** Ours: leave `output` empty in the result, since `stdout` and `stderr` are read. */
  omit_output: lenient(z.boolean()),
});
export type ExecRequest = z.infer<typeof execRequest>;
/** As it travels: stdin still in base64. */
export type ExecRequestWire = z.input<typeof execRequest>;

const nothing = z.nullish(z.looseObject({}));

const serverMessage = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("shell_start"),
    data: z.nullish(z.object({ session_id: z.optional(sessionId), new_session: lenient(z.boolean()) })),
  }),
  z.object({
    type: z.literal("shell_input"),
    data: z.object({ session_id: z._default(sessionId, ""), data: bytesField }),
  }),
  z.object({
    type: z.literal("shell_resize"),
    // Any value is let through: the session ignores a nonsensical size with a warning, as the contract says.
    data: z.object({ session_id: z._default(sessionId, ""), cols: z.unknown(), rows: z.unknown() }),
  }),
  z.object({ type: z.literal("shell_stop"), data: nothing }),
  z.object({ type: z.literal("shell_stop_session"), data: z.object({ session_id: sessionId }) }),
  z.object({ type: z.literal("exec"), data: execRequest }),
  z.object({ type: z.literal("ping"), data: nothing }),
  // Ours: an `error` from the server is only logged.
  z.object({ type: z.literal("error"), data: z.unknown() }),
  // Ours, to an ephemeral agent: its viewers, those in their grace period included.
  z.object({ type: z.literal("viewers"), data: z.object({ count: z.int().check(z.minimum(0)) }) }),
]);
/** A message from a server to an agent. */
export type ServerMessage = z.infer<typeof serverMessage>;

const amount = lenient(z.number());

/** Bytes; `disk` is the file system of `/`. A missing or invalid field is left out. */
export const systemInfo = z.object({
  os: lenient(brief(LENGTHS.word)),
  arch: lenient(brief(LENGTHS.word)),
  num_cpu: amount,
  hostname: lenient(brief(LENGTHS.hostname)),
  distro: lenient(brief(LENGTHS.word)),
  region: lenient(brief(LENGTHS.word)),
  memory: lenient(z.object({ total: amount, available: amount, free: amount })),
  disk: lenient(z.object({ total: amount, free: amount, available: amount })),
  virtualization: lenient(brief(LENGTHS.word)),
  is_root: lenient(z.boolean()),
  has_sudo: lenient(z.boolean()),
  /** Ours. */
  agent_version: lenient(brief(LENGTHS.word)),
});
export type SystemInfo = z.infer<typeof systemInfo>;

/** `cpu_percent` is 0 to 100 over all cores; the rest is bytes. */
export const agentStats = z.object({
  cpu_percent: amount,
  memory: amount,
  memory_limit: amount,
  disk_usage: amount,
  disk_limit: amount,
});
export type AgentStats = z.infer<typeof agentStats>;

/** Both streams together, and one of them in base64: longer ones are cut, and the result is marked `truncated`. */
const MAX_OUTPUT = 2 * EXEC_STREAM_BYTES;
const MAX_BASE64 = 4 * Math.ceil(EXEC_STREAM_BYTES / 3);

const execResultFields = z.object({
  command: brief(LENGTHS.command),
  /** stdout and stderr as they came. */
  output: z.string(),
  success: z.boolean(),
  error: lenient(brief(LENGTHS.error)),
  id: lenient(exact(LENGTHS.id)),
  /** 0 to 255, or null where a signal ended it or it never ran. */
  exit_code: lenient(z.nullable(z.number())),
  /** Signal name, `SIGKILL` for example. */
  signal: lenient(z.nullable(brief(LENGTHS.word))),
  /** Each stream by itself, byte for byte (base64): sent where the request had an `id`. */
  stdout: lenient(z.string()),
  stderr: lenient(z.string()),
  /** A stream was cut, since a result carries no more. */
  truncated: lenient(z.boolean()),
  timed_out: lenient(z.boolean()),
  /** A background process still held the pipes: its further output is lost. */
  left_open: lenient(z.boolean()),
  duration_ms: amount,
});

/** `exec_result` of the contract and our optional additions. */
export const execResult = z.pipe(execResultFields, z.transform(withinBounds));
export type ExecResult = z.infer<typeof execResultFields>;

const agentMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("system_info"), data: systemInfo }),
  z.object({ type: z.literal("stats"), data: agentStats }),
  z.object({ type: z.literal("shell_starting"), data: z.object({ session_id: z._default(sessionId, "") }) }),
  z.object({ type: z.literal("shell_started"), data: z.object({ session_id: z._default(sessionId, "") }) }),
  z.object({
    type: z.literal("shell_output"),
    data: z.object({ session_id: z._default(sessionId, ""), data: bytesField }),
  }),
  z.object({
    type: z.literal("shell_stopped"),
    data: z.object({
      session_id: z._default(sessionId, ""),
      exit_code: lenient(z.nullable(z.number())),
      signal: lenient(z.nullable(brief(LENGTHS.word))),
    }),
  }),
  z.object({
    type: z.literal("shell_error"),
    data: z.object({ session_id: z._default(sessionId, ""), error: brief(LENGTHS.error) }),
  }),
  z.object({ type: z.literal("exec_result"), data: execResult }),
  z.object({ type: z.literal("pong"), data: nothing }),
  z.object({ type: z.literal("ping"), data: nothing }),
]);
/** A message from an agent to a server. */
export type AgentMessage = z.infer<typeof agentMessage>;

/** A message that has no place in this version is `unknown`; one that breaks the contract is `invalid`. */
export function parseServerMessage(text: string): Parsed<ServerMessage> {
  return parseMessage(serverMessage, text, FROM_SERVER);
}

/** See `parseServerMessage`. */
export function parseAgentMessage(text: string): Parsed<AgentMessage> {
  return parseMessage(agentMessage, text, FROM_AGENT);
}

/** A message without data. */
export function encodeBare(type: "pong" | "ping" | "shell_stop"): string {
  return JSON.stringify({ type });
}

/** From the server: see the table of the contract. */
export const encodeServer = {
  shellStart: (data: { session_id: string; new_session: boolean }) => frame("shell_start", data),
  shellInput: (session_id: string, bytes: Uint8Array) =>
    frame("shell_input", { session_id, data: bytes.toBase64() }),
  shellResize: (data: { session_id: string; cols: number; rows: number }) => frame("shell_resize", data),
  shellStopSession: (session_id: string) => frame("shell_stop_session", { session_id }),
  exec: (data: ExecRequestWire) => frame("exec", data),
  viewers: (count: number) => frame("viewers", { count }),
};

/** From the agent: see the table of the contract. */
export const encodeAgent = {
  systemInfo: (data: SystemInfo) => frame("system_info", data),
  stats: (data: AgentStats) => frame("stats", data),
  shellStarting: (session_id: string) => frame("shell_starting", { session_id }),
  shellStarted: (session_id: string) => frame("shell_started", { session_id }),
  /** `bytes` must not end inside a UTF-8 sequence: see `lib/utf8.ts`. */
  shellOutput: (session_id: string, bytes: Uint8Array) =>
    frame("shell_output", { session_id, data: bytes.toBase64() }),
  shellStopped: (session_id: string, exit: { exit_code: number | null; signal: string | null }) =>
    frame("shell_stopped", { session_id, ...exit }),
  shellError: (session_id: string, error: string) => frame("shell_error", { session_id, error }),
  execResult: (data: ExecResult) => frame("exec_result", data),
};

// --- internal ---

function withinBounds(result: ExecResult): ExecResult {
  const { output, stdout, stderr } = result;
  const fits =
    output.length <= MAX_OUTPUT && (stdout?.length ?? 0) <= MAX_BASE64 && (stderr?.length ?? 0) <= MAX_BASE64;
  if (fits) return result;
  return {
    ...result,
    output: output.slice(0, MAX_OUTPUT),
    ...(stdout === undefined ? {} : { stdout: stdout.slice(0, MAX_BASE64) }),
    ...(stderr === undefined ? {} : { stderr: stderr.slice(0, MAX_BASE64) }),
    truncated: true,
  };
}

function frame(type: string, data: object): string {
  return JSON.stringify({ type, data });
}
