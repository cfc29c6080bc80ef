/** Which server a command of the CLI talks to, and as whom. */

import { join } from "node:path";
import type { ArgsDef } from "citty";
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

/** Options of every command that talks to a server. */
export const serverArgs = {
  host: {
    type: "string",
    valueHint: "URL",
    description:
      "Server, or the beginning of its name where you are logged in (REXEC_HOST or REXEC_API; default: that of the last login or rexec use, else https://rexec.pipeops.io)",
  },
  insecure: {
    type: "boolean",
    description: "Allow plain http to a host that is not this machine (REXEC_INSECURE=1)",
  },
  caFile: {
    type: "string",
    valueHint: "FILE",
    description: "Trust this certificate authority too, PEM (REXEC_CA_FILE)",
  },
} as const satisfies ArgsDef;

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
