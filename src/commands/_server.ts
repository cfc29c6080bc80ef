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
import { homeFolder } from "../lib/home.ts";
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
  return { server, agent: pickAgent(reference, await listAgents(server)) };
}
