/** What followers of a list of agents are told of. */
import type { AgentListOf } from "../auth/access.ts";
import type { Quotas } from "../quotas.ts";
import type { AgentDirectory } from "../sessions/agent-directory.ts";
import type { ContainerSource } from "../sessions/container-feed.ts";
import type { AgentRow } from "../store/agents.ts";
import type { Store } from "../store/store.ts";
import { containerView } from "./agent-view.ts";

/** Entries of `GET /api/containers`, as they are now. */
export function containerSource(store: Store, directory: AgentDirectory, quotas: Quotas): ContainerSource {
  const view = async (agents: AgentRow[]) => {
    const presences = await directory.presences(agents.map(({ id }) => id));
    return agents.map((agent) => containerView(agent, presences.get(agent.id)));
  };
  // A follower may have lost the role since it connected.
  const isAdmin = async (id: string) => (await store.users.get(id))?.is_admin ?? false;
  return {
    async one(id: string, list: AgentListOf) {
      const agent = await store.agents.get(id);
      const isShown =
        agent &&
        !agent.pending &&
        (agent.user_id === list.userId ||
          (list.all && (await isAdmin(list.userId))) ||
          (await store.grants.levelOf(list.userId, agent)) !== null);
      return isShown ? ((await view([agent]))[0] ?? null) : null;
    },
    async all(list: AgentListOf) {
      const all = list.all && (await isAdmin(list.userId));
      return view(await store.agents.listVisible({ ...list, all, only: [] }));
    },
    limit: quotas.agents,
  };
}
