/** Machines as a command line names them: by name, by id, or the beginning of one. */
import { listAgents, type Server } from "../client/api.ts";
import type { ServerChoice } from "../client/credentials.ts";
import { listPending } from "../client/joins.ts";
import { pickAgent } from "../client/resolve.ts";
import { printable } from "../lib/printable.ts";
import type { Agent } from "../protocol/http.ts";
import { manyWords } from "./_cli.ts";
import { currentServer } from "./_server.ts";

/** One machine. */
export const machineArg = {
  type: "positional",
  required: true,
  valueHint: "NAME|ID",
  description: "The machine's name, or the beginning of its name or id",
} as const;

/** The positionals of a command that takes one machine or more. */
export const machinesArg = manyWords({
  ...machineArg,
  description: `${machineArg.description}; several may be given`,
});

/** Each once, in the order in which they were named. @throws as `pickAgent`: then none is meant */
export function pickAgents(references: readonly string[], agents: readonly Agent[]): Agent[] {
  return [...new Set(references.map((reference) => pickAgent(reference, agents)))];
}

/** Every machine of the account, those that wait to be accepted too. */
export async function listAll(server: Server): Promise<Agent[]> {
  const [agents, waiting] = await Promise.all([listAgents(server), listPending(server)]);
  const known = new Set(agents.map(({ id }) => id));
  return [...agents, ...waiting.filter(({ id }) => !known.has(id))];
}

/** The server and the machine that is meant there, one that waits to be accepted too. */
export async function findMachine(
  choice: ServerChoice,
  reference: string,
): Promise<{ server: Server; agent: Agent }> {
  const server = currentServer(choice);
  return { server, agent: pickAgent(reference, await listAll(server)) };
}

/** `"web-1" (3f9a01bc)` */
export function called({ name, id }: Agent): string {
  return `"${printable(name, 100)}" (${printable(id.slice(0, 8))})`;
}
