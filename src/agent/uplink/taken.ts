/** Whether a server has taken what it was told about an agent. Some know no tags, and say nothing of that. */

import { requestJson } from "../../lib/http.ts";
import type { Endpoint } from "../../lib/net.ts";
import { agentBody, agentListBody } from "../../protocol/http.ts";
import { pathSegment } from "../../protocol/path.ts";

/** What a person gave. */
export interface Description {
  name?: string | undefined;
  description?: string | undefined;
  tags?: readonly string[] | undefined;
}

/** The same, as the server tells it; what it leaves out is not known. */
interface Told {
  name?: string | null | undefined;
  description?: string | null | undefined;
  tags?: readonly string[] | null | undefined;
}

/**
 * Lines about what the server did not take, for the person to read. Asks it where its answer does not say.
 * @param wanted what was sent
 * @param answered what it answered to that
 */
export async function notTaken(
  endpoint: Endpoint,
  agentId: string,
  token: string,
  wanted: Description,
  answered: Told,
): Promise<string[]> {
  const isSilent = wanted.tags !== undefined && wanted.tags.length > 0 && !answered.tags;
  const told = isSilent ? { ...(await agentAt(endpoint, agentId, token)), ...known(answered) } : answered;
  const lines: string[] = [];
  if (wanted.name && told.name && told.name !== wanted.name)
    lines.push(`the server calls this agent ${JSON.stringify(told.name)}`);
  if (wanted.description && typeof told.description === "string" && told.description !== wanted.description)
    lines.push("the server did not take the description as it is");
  const missing = wanted.tags?.filter((tag) => !told.tags?.includes(tag)) ?? [];
  if (missing.length > 0 && (told.tags || "id" in told))
    lines.push(
      `the server did not take the tags ${missing.join(", ")}: they stand in the configuration alone`,
    );
  return lines;
}

/** True where another agent of the account has the name; false too where the server does not say. */
export async function hasNamesake(
  endpoint: Endpoint,
  token: string,
  agent: { id: string; name: string },
): Promise<boolean> {
  try {
    const schema = agentListBody;
    const agents = await requestJson({ endpoint, method: "GET", path: "/api/agents", token, schema });
    return agents.some(({ id, name }) => name === agent.name && id !== agent.id);
  } catch {
    return false;
  }
}

// --- internal ---

async function agentAt(endpoint: Endpoint, agentId: string, token: string): Promise<Told> {
  try {
    const path = `/api/agents/${pathSegment(agentId)}`;
    return await requestJson({ endpoint, method: "GET", path, token, schema: agentBody });
  } catch {
    return {}; // It may not be read with that token: nothing is known then.
  }
}

function known(told: Told): Told {
  return Object.fromEntries(
    Object.entries(told).filter(([, value]) => value !== undefined && value !== null),
  );
}
