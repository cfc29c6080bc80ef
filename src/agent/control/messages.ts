/** What may be asked of a running agent over its control socket, and what it answers: one line of JSON each way. */
import * as z from "zod/mini";

/** Lines longer than this are no request or answer of ours, bytes. */
export const MAX_LINE_BYTES = 64 * 1024;

export const controlRequest = z.discriminatedUnion("do", [
  z.object({ do: z.literal("status") }),
  /** Reconnect with this token at once; shells stay. */
  z.object({ do: z.literal("reload-token"), token: z.string() }),
  /** Replace the program in place, by `binary` where it is given; shells stay. */
  z.object({ do: z.literal("restart"), binary: z.optional(z.string()) }),
  /** Ends the wait of `start --ephemeral`. */
  z.object({ do: z.literal("continue") }),
]);
export type ControlRequest = z.infer<typeof controlRequest>;
export type RequestName = ControlRequest["do"];

/** `ok` and what was asked for, or why not, in the words of a `RexecError`. */
export const controlAnswer = z.discriminatedUnion("ok", [
  z.looseObject({ ok: z.literal(true) }),
  z.object({ ok: z.literal(false), code: z.string(), message: z.string(), hint: z.optional(z.string()) }),
]);
export type ControlAnswer = z.infer<typeof controlAnswer>;

/** How an agent came to run: by hand, by `start --daemon`, or by the service manager of that name. */
export const RUN_KINDS = [
  "foreground",
  "daemon",
  "ephemeral",
  "systemd",
  "openrc",
  "sysv",
  "launchd",
] as const;
export type RunKind = (typeof RUN_KINDS)[number];

/** The answer to `status`. Times are RFC 3339. */
export const agentStatus = z.object({
  pid: z.int(),
  version: z.string(),
  commit: z.string(),
  run: z.enum(RUN_KINDS),
  started_at: z.string(),
  config: z.string(),
  /** Of the settings and the token that it works by (`configDigest`). */
  config_digest: z.optional(z.string()),
  host: z.string(),
  agent_id: z.string(),
  name: z.string(),
  shell: z.string(),
  connection: z.enum(["connected", "connecting", "waiting", "stopped"]),
  connected_since: z.nullable(z.string()),
  /** The server does not let it in until its machine is accepted there. */
  pending: z.optional(z.boolean()),
  /** What is spoken with the server. */
  protocol: z.nullable(z.enum(["rexec.v1", "rexec.v2"])),
  sessions: z.int(),
  /** How often it was replaced in place, what was kept the last time, and why the last attempt failed. */
  restart: z.optional(
    z.object({
      count: z.int(),
      sessions: z.int(),
      commands: z.int(),
      problem: z.nullable(z.string()),
    }),
  ),
  /** Why the last connection ended, or the last attempt at one failed. */
  last_error: z.nullable(z.object({ message: z.string(), at: z.string() })),
  /** Where the token came from. */
  token_origin: z.enum(["file", "environment", "option"]),
  /** The log file that it writes, where it writes one. */
  log: z.nullable(z.string()),
});
export type AgentStatus = z.infer<typeof agentStatus>;
