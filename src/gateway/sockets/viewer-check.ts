/**
 * Keeps the rights of open viewer sockets up to date, and of agents' sockets that another user than the owner opened: a
 * right that is taken away counts at once.
 */
import { messageOf } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import { CLOSE_DELETED, REASON_ACCESS_ENDED } from "../../protocol/close-codes.ts";
import type { Access } from "../auth/access.ts";
import type { AccessChanged, AgentDirectory } from "../sessions/agent-directory.ts";
import type { Store } from "../store/store.ts";
import type { Connection } from "./connection.ts";
import type { Connections } from "./connections.ts";

/** What the check needs. */
export interface ViewerCheckOptions {
  directory: Pick<AgentDirectory, "subscribe">;
  connections: Pick<Connections, "viewers" | "agentsOfOthers">;
  access: Access;
  store: Pick<Store, "users" | "agents">;
  logger: Logger;
}

/**
 * Checks the sockets that a change is about. A socket whose rights are unknown, because the store fails, is closed: it
 * connects again, and is asked then.
 * @returns a function that ends the check
 */
export function startViewerCheck({
  directory,
  connections,
  access,
  store,
  logger,
}: ViewerCheckOptions): () => void {
  const check = async (connection: Connection) => {
    const { principal, agentId } = connection.info;
    const user = await store.users.get(principal.user.id);
    const agent = agentId === null ? null : await store.agents.get(agentId);
    if (!user || user.disabled_at !== null || !agent)
      return connection.close(CLOSE_DELETED, REASON_ACCESS_ENDED);
    const rights = await access.viewerRights({ ...principal, user }, agent);
    connection.rights = rights;
    if (!rights.watch && !rights.exec) connection.close(CLOSE_DELETED, REASON_ACCESS_ENDED);
  };
  const checkAgent = async (connection: Connection) => {
    const { principal, connects } = connection.info;
    const user = await store.users.get(principal.user.id);
    const agent = connects === undefined ? null : await store.agents.get(connects);
    if (user && agent && (await access.may({ ...principal, user }, "agent:connect", agent))) return;
    connection.close(CLOSE_DELETED, REASON_ACCESS_ENDED);
  };
  const checkAll = async (event: AccessChanged) => {
    for (const connection of [...connections.viewers, ...connections.agentsOfOthers()]) {
      const { principal, agentId, connects } = connection.info;
      if (event.userId !== null && event.userId !== principal.user.id) continue;
      if (event.agentId !== null && event.agentId !== agentId && event.agentId !== connects) continue;
      await (connects === undefined ? check : checkAgent)(connection).catch((error: unknown) => {
        logger.error(`cannot check the rights of a socket: ${messageOf(error)}`);
        connection.close(CLOSE_DELETED, REASON_ACCESS_ENDED);
      });
    }
  };
  // In turn: of two changes the later one's answer has to be the one that stays.
  let last = Promise.resolve();
  return directory.subscribe((event) => {
    if (event.type === "access_changed") last = last.then(() => checkAll(event));
  });
}
