/** Which shells run on a room's agent. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { Room } from "./room.ts";

/** The shells that run, as far as is known. An agent that speaks v1 gives them no instance of their own. */
export function runningShells(room: Room): SessionInfo[] {
  return [...room.sessions].filter(({ state }) => state === "running").map(({ info }) => info);
}

/** How many shells run; an agent that speaks v2 is asked. */
export async function shellCount(room: Room): Promise<number> {
  const all = room.desk.speaksV2 ? await room.desk.list() : null;
  if (!all) return runningShells(room).length;
  return all.filter(({ kind, ended_at }) => kind === "shell" && ended_at === null).length;
}
