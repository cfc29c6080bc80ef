/** Sessions as a person names them. */

import { listAgents, type Server } from "../client/api.ts";
import type { ServerChoice } from "../client/credentials.ts";
import { listSessions, pickSession } from "../client/sessions.ts";
import type { Wait } from "../client/waiting.ts";
import { counted } from "../lib/count.ts";
import { ago } from "../lib/duration.ts";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { Agent } from "../protocol/http.ts";
import type { SessionInfo } from "../protocol/v2/control.ts";
import { currentServer } from "./_server.ts";
import { findAwaitedAgent, whenAgentThere } from "./_wait.ts";

const MOST_CANDIDATES = 8;

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

/** The machine of a session that is named without it. */
export const atAgentArg = {
  type: "string",
  valueHint: "NAME|ID",
  description: "The machine (default: the one that has such a session)",
} as const;

/**
 * A shell that runs, on the machine that is named, or on the only one that has such a session.
 * @throws UsageError for a command; RexecError `unknown_session`, `ambiguous_session`, and as `pickSession`
 */
export async function findRunningSession(
  choice: ServerChoice,
  reference: string,
  agent: string | undefined,
  wait: Wait,
): Promise<{ server: Server; agent: Agent; session: SessionInfo }> {
  if (agent !== undefined) return findSession(choice, agent, reference, wait);
  const server = currentServer(choice);
  const online = (await listAgents(server)).filter(({ status }) => status === "online");
  const answers = await Promise.allSettled(online.map(({ id }) => listSessions(server, id)));
  const running = answers.flatMap((answer, index) => {
    const its = online[index];
    if (!its || answer.status === "rejected") return [];
    const shells = answer.value.filter(({ ended_at, kind }) => ended_at === null && kind === "shell");
    return shells.map((session) => ({ server, agent: its, session }));
  });
  const exact = running.filter(({ session }) => session.session === reference);
  const fitting =
    exact.length > 0 ? exact : running.filter(({ session }) => session.session.startsWith(reference));
  const [found] = fitting;
  if (found && fitting.length === 1) return found;
  const shown = printable(reference, 100);
  if (!found) {
    throw new RexecError(`no machine that is online runs a session "${shown}"`, {
      code: "unknown_session",
      hint: "rexec sessions lists them all",
      exitCode: ExitCode.rejected,
    });
  }
  const where = fitting
    .slice(0, MOST_CANDIDATES)
    .map(({ agent: { name }, session }) => `${printable(session.session, 100)} on ${printable(name, 100)}`);
  throw new RexecError(`"${shown}" could be any of ${fitting.length}: ${where.join(", ")}`, {
    code: "ambiguous_session",
    hint: "name the machine: --agent NAME",
    exitCode: ExitCode.usage,
  });
}

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
