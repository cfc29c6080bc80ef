/** Sessions as a person names them. */

import type { Server } from "../client/api.ts";
import type { ServerChoice } from "../client/credentials.ts";
import { listSessions, pickSession } from "../client/sessions.ts";
import type { Wait } from "../client/waiting.ts";
import { counted } from "../lib/count.ts";
import { ago } from "../lib/duration.ts";
import { printable } from "../lib/printable.ts";
import type { Agent } from "../protocol/http.ts";
import type { SessionInfo } from "../protocol/v2/control.ts";
import { findAwaitedAgent, whenAgentThere } from "./_wait.ts";

export const agentArg = {
  type: "positional",
  required: true,
  valueHint: "NAME|ID",
  description: "The machine: its name, its id, or the beginning of one",
} as const;

export const sessionArg = {
  type: "positional",
  required: true,
  valueHint: "SESSION",
  description: "The session's name, or its beginning: rexec sessions lists them",
} as const;

/** The server, the agent and the session that is meant there. */
export async function findSession(
  choice: ServerChoice,
  reference: string,
  session: string,
  wait: Wait,
): Promise<{ server: Server; agent: Agent; session: SessionInfo }> {
  const { server, agent } = await findAwaitedAgent(choice, reference, wait);
  const sessions = await whenAgentThere(server, agent, wait, () => listSessions(server, agent.id));
  return { server, agent, session: pickSession(session, sessions) };
}

/** `running`, or how it ended. */
export function stateOf({ ended_at, exit_code, signal }: SessionInfo): string {
  if (ended_at === null) return "running";
  return printable(signal ? `ended: ${signal}` : `ended: ${exit_code ?? "?"}`);
}

/** What a person should know before ending it. */
export function describe(session: SessionInfo): string {
  const watched = counted(session.viewers, "viewer");
  return `${printable(session.command)}, started ${ago(Date.now() - session.started_at)}, ${watched}`;
}
