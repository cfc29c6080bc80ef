/** What a viewer is told of an agent's sessions. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { Peer } from "./peer.ts";
import { sharedSession } from "./viewer-name.ts";

/** Answers a v2 viewer's `list`: the viewer of a share sees its session alone. @param list null where the agent does not answer */
export async function answerList(peer: Peer, list: Promise<SessionInfo[] | null>): Promise<void> {
  const sessions = await list;
  const share = sharedSession(peer.connection.info.principal);
  const seen = share ? sessions?.filter(({ instance }) => instance === share.instance) : sessions;
  if (seen) peer.send({ type: "sessions", sessions: seen });
  else peer.send({ type: "refused", code: "lost", message: "the agent does not answer" });
}
