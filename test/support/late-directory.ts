/** The directory of a gateway as one on another machine is: each question, answer and event takes its time. */
import type {
  AgentDirectory,
  AgentHandle,
  DirectoryEvent,
} from "../../src/gateway/sessions/agent-directory.ts";

/** For `GatewayOptions.directory`. @param ms from a question to its answer, and from an event to its listener */
export function lateDirectory(ms: number): (local: AgentDirectory) => AgentDirectory {
  const late = async <T>(ask: () => Promise<T>): Promise<T> => {
    await Bun.sleep(ms / 2);
    const answer = await ask();
    await Bun.sleep(ms / 2);
    return answer;
  };
  const handle = (link: AgentHandle): AgentHandle => ({
    presence: structuredClone(link.presence),
    sessions: () => late(() => link.sessions()),
    kill: (session) => late(() => link.kill(session)),
    record: (session, viewer) => late(() => link.record(session, viewer)),
    stopRecording: (session) => late(() => link.stopRecording(session)),
    stopShells: () => late(() => link.stopShells()),
    control: (session, wish) => late(() => link.control(session, { ...wish })),
  });
  return (local) => ({
    async link(agentId) {
      const link = await late(() => local.link(agentId));
      return link && handle(link);
    },
    presences: async (agentIds) => structuredClone(await late(() => local.presences([...agentIds]))),
    isReturning: ({ id, last_ping }) => late(() => local.isReturning({ id, last_ping })),
    takeSeat: (request) => late(() => local.takeSeat({ ...request })),
    viewers: async (agentId) => structuredClone(await late(() => local.viewers(agentId))),
    closeViewers: async (agentId, selection) =>
      structuredClone(await late(() => local.closeViewers(agentId, { ...selection }))),
    publish: (event) => late(() => local.publish({ ...event })),
    subscribe: (listener) =>
      local.subscribe((event: DirectoryEvent) => void setTimeout(() => listener(structuredClone(event)), ms)),
  });
}
