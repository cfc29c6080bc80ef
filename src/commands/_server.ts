/** Which server a command of the CLI talks to, and as whom. */

import { join } from "node:path";
import { listAgents, type Server } from "../client/api.ts";
import {
  type Credentials,
  isExposed,
  readCredentials,
  requireLogin,
  type ServerChoice,
} from "../client/credentials.ts";
import { pickAgent } from "../client/resolve.ts";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { homeFolder } from "../lib/home.ts";
import { printable } from "../lib/printable.ts";
import { quoteWord } from "../lib/quote.ts";
import type { Agent } from "../protocol/http.ts";
import { say } from "./_output.ts";

export { serverArgs } from "./_server-args.ts";

/** `~/.rexec/credentials.json` */
export function credentialsPath(): string {
  return join(homeFolder(process.env), ".rexec", "credentials.json");
}

/** The file's content; says so where others may read it. */
export function loadCredentials(): Credentials {
  const path = credentialsPath();
  if (isExposed(path)) say(`warning: others can read ${path}: run chmod 600 ${path}`);
  return readCredentials(path);
}

/** The server and the token for it. */
export function currentServer(choice: ServerChoice): Server {
  return requireLogin(choice, loadCredentials(), process.env);
}

/** The server and the agent that is meant there. */
export async function findAgent(
  choice: ServerChoice,
  reference: string,
): Promise<{ server: Server; agent: Agent }> {
  const server = currentServer(choice);
  const agents = await listAgents(server);
  try {
    return { server, agent: pickAgent(reference, agents) };
  } catch (error) {
    throw (await whyWaiting(server, reference, error)) ?? error;
  }
}

// --- internal ---

/** Where no machine fits: the error for one that does, and waits to be accepted. */
async function whyWaiting(server: Server, reference: string, error: unknown): Promise<RexecError | null> {
  if (!(error instanceof RexecError) || error.exitCode !== ExitCode.rejected) return null;
  try {
    const { listPending } = await import("../client/joins.ts");
    const agent = pickAgent(reference, await listPending(server));
    return new RexecError(`"${printable(agent.name, 100)}" waits to be accepted`, {
      code: "agent_pending",
      hint: `let it in: rexec accept ${printable(quoteWord(agent.name))}`,
      exitCode: ExitCode.rejected,
    });
  } catch {
    return null;
  }
}
