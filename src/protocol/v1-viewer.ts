/**
 * The viewer socket (`/ws/agent/{id}/terminal`): the messages between a server and a browser, the CLI or a script.
 * A binary frame from a viewer is input; everything else is a JSON text frame.
 */
import * as z from "zod/mini";
import { FROM_VIEWER, TO_VIEWER } from "./message-size.ts";
import { type Parsed, parseMessage } from "./parse.ts";
import {
  type AgentStats,
  agentStats,
  type ExecRequestWire,
  type ExecResult,
  execRequest,
  execResult,
} from "./v1.ts";
import { brief, exact, LENGTHS, lenient } from "./values.ts";

/**
 * The query of the viewer socket. `id` and `newSession` are the contract's. `exec=1` is ours: this viewer only runs
 * commands, so the server starts no shell for it and sends it no output. A server that does not know it starts a
 * shell; with `newSession=true` beside it, that is one of the viewer's own, which ends with it.
 */
export function viewerQuery(viewer: { id: string; newSession: boolean; execOnly?: boolean }): string {
  const query = new URLSearchParams({ id: viewer.id });
  if (viewer.newSession) query.set("newSession", "true");
  if (viewer.execOnly) query.set("exec", "1");
  return query.toString();
}

const viewerMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("input"), data: z.string() }),
  // Sizes stand at the top level, not under `data`; nonsense is ignored further in.
  z.object({ type: z.literal("resize"), cols: z.unknown(), rows: z.unknown() }),
  z.object({ type: z.literal("exec"), data: execRequest }),
  z.object({ type: z.literal("ping") }),
]);
/** From a viewer. */
export type ViewerMessage = z.infer<typeof viewerMessage>;

const sessionData = z.object({ session_id: exact(LENGTHS.id) });

const toViewerMessage = z.discriminatedUnion("type", [
  z.object({ type: z.literal("output"), data: z.string() }),
  z.object({ type: z.literal("stats"), data: agentStats }),
  z.object({ type: z.literal("shell_starting"), data: sessionData }),
  z.object({ type: z.literal("shell_started"), data: sessionData }),
  z.object({
    type: z.literal("shell_stopped"),
    data: z.extend(sessionData, {
      exit_code: lenient(z.nullable(z.number())),
      signal: lenient(z.nullable(brief(LENGTHS.word))),
    }),
  }),
  z.object({
    type: z.literal("shell_error"),
    data: z.object({ session_id: z._default(exact(LENGTHS.id), ""), error: brief(LENGTHS.error) }),
  }),
  z.object({ type: z.literal("exec_result"), data: execResult }),
  z.object({ type: z.literal("pong") }),
  // Ours: the agent behind this viewer has gone, or is back. Shells may live on meanwhile.
  z.object({ type: z.literal("agent_status"), data: z.object({ status: brief(LENGTHS.word) }) }),
]);
/** To a viewer. */
export type ToViewerMessage = z.infer<typeof toViewerMessage>;

/** Never throws; see `Parsed`. */
export function parseViewerMessage(text: string): Parsed<ViewerMessage> {
  return parseMessage(viewerMessage, text, FROM_VIEWER);
}

/** Never throws; see `Parsed`. */
export function parseToViewerMessage(text: string): Parsed<ToViewerMessage> {
  return parseMessage(toViewerMessage, text, TO_VIEWER);
}

/** From a viewer. Input travels as a binary frame and needs no encoding. */
export const encodeViewer = {
  resize: (cols: number, rows: number) => JSON.stringify({ type: "resize", cols, rows }),
  exec: (data: ExecRequestWire) => JSON.stringify({ type: "exec", data }),
  ping: () => JSON.stringify({ type: "ping" }),
};

/** To a viewer. */
export const encodeToViewer = {
  output: (data: string) => JSON.stringify({ type: "output", data }),
  stats: (data: AgentStats) => JSON.stringify({ type: "stats", data }),
  shellStarting: (session_id: string) => JSON.stringify({ type: "shell_starting", data: { session_id } }),
  shellStarted: (session_id: string) => JSON.stringify({ type: "shell_started", data: { session_id } }),
  shellStopped: (data: {
    session_id: string;
    exit_code?: number | null | undefined;
    signal?: string | null | undefined;
  }) => JSON.stringify({ type: "shell_stopped", data }),
  shellError: (session_id: string, error: string) =>
    JSON.stringify({ type: "shell_error", data: { session_id, error } }),
  execResult: (data: ExecResult) => JSON.stringify({ type: "exec_result", data }),
  pong: () => JSON.stringify({ type: "pong" }),
  agentStatus: (status: "online" | "offline") => JSON.stringify({ type: "agent_status", data: { status } }),
};
