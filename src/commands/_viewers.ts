/** Viewers as a person names them. */
import { listAgents, type Server } from "../client/api.ts";
import type { ServerChoice } from "../client/credentials.ts";
import { type ListedViewer, listViewers } from "../client/viewers.ts";
import { ExitCode, messageOf, RexecError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { Agent } from "../protocol/http.ts";
import { say } from "./_cli.ts";
import { currentServer, findAgent } from "./_server.ts";

/** Fewer letters of an id are more likely a name. */
const SHORTEST_PREFIX = 4;

/** A viewer, and the machine that it is connected to. */
export interface FoundViewer {
  agent: Agent;
  viewer: ListedViewer;
}

/** True where the viewer's id is meant. */
export function isViewer({ id }: ListedViewer, reference: string): boolean {
  return id === reference || (reference.length >= SHORTEST_PREFIX && id.startsWith(reference));
}

/** @throws RexecError `unknown_viewer` (exit code 4), `ambiguous_viewer` (2) */
export function pickViewer(reference: string, viewers: readonly ListedViewer[]): ListedViewer {
  const fitting = viewers.filter((viewer) => isViewer(viewer, reference));
  const [viewer] = fitting;
  if (viewer && fitting.length === 1) return viewer;
  const shown = printable(reference, 100);
  throw viewer
    ? new RexecError(`"${shown}" could be any of ${fitting.length} viewers`, {
        code: "ambiguous_viewer",
        hint: "give more of the id: rexec viewers",
        exitCode: ExitCode.usage,
      })
    : new RexecError(`there is no viewer "${shown}"`, {
        code: "unknown_viewer",
        hint: "rexec viewers lists them",
        exitCode: ExitCode.rejected,
      });
}

/** Those of one machine, or of all that are online. One that cannot say keeps no other from being listed. */
export async function viewersOf(
  choice: ServerChoice,
  reference: string | undefined,
): Promise<{ server: Server; found: FoundViewer[] }> {
  if (reference !== undefined) {
    const { server, agent } = await findAgent(choice, reference);
    const viewers = await listViewers(server, agent.id);
    return { server, found: viewers.map((viewer) => ({ agent, viewer })) };
  }
  const server = currentServer(choice);
  const online = (await listAgents(server)).filter((agent) => agent.status === "online");
  const answers = await Promise.allSettled(online.map((agent) => listViewers(server, agent.id)));
  const failures = answers.filter((answer) => answer.status === "rejected");
  const [first] = failures;
  if (first && failures.length === online.length) throw first.reason;
  const found = answers.flatMap((answer, index) => {
    const agent = online[index];
    if (!agent) return [];
    if (answer.status === "fulfilled") return answer.value.map((viewer) => ({ agent, viewer }));
    say(`${printable(agent.name, 100)}: ${messageOf(answer.reason)}`);
    return [];
  });
  return { server, found };
}
