/** Names need not be unique, but a user who types one must then add the id. */
import type { AgentRow } from "../store/agents.ts";
import type { Store } from "../store/store.ts";

/** The remark that an answer has where another agent of the same user is named so too. */
export async function namesakeWarning(
  { agents }: Pick<Store, "agents">,
  agent: Pick<AgentRow, "id" | "user_id" | "name">,
): Promise<{ warning: string } | undefined> {
  if (!(await agents.hasNamesake(agent))) return undefined;
  const shown = JSON.stringify(agent.name);
  return {
    warning: `another agent of this account is named ${shown} too: the name alone does not say which is meant`,
  };
}
