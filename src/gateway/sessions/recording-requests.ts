/** Recordings on request, of a session that runs on an agent. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { Mirror } from "./mirror.ts";
import type { Recorded, SessionRecordings } from "./session-recordings.ts";

/** What a recording needs of a room. */
interface RecordingRoom {
  readonly agentId: string;
  readonly link: object | null;
  readonly recordings: SessionRecordings | null;
  list(): Promise<SessionInfo[] | null>;
  mirrorOf(info: SessionInfo): Mirror;
}

/** Records a session from now on. */
export async function record(
  room: RecordingRoom,
  session: string,
  viewer: Recorded,
): Promise<"started" | "missing" | "refused"> {
  const info = await running(room, session);
  if (!info) return "missing";
  if (!room.link || info.kind !== "shell") return "refused";
  return room.recordings?.start(room.mirrorOf(info), viewer) ? "started" : "refused";
}

/** Ends the recording of a session. */
export async function stopRecording(
  room: RecordingRoom,
  session: string,
): Promise<"stopped" | "missing" | "refused"> {
  const info = await running(room, session);
  if (!info) return "missing";
  return room.recordings?.stop(room.agentId, info.instance) ? "stopped" : "refused";
}

/** The mirror of a shell by its name; null where there is none, or its agent speaks v1. */
export async function mirrorNamed(room: RecordingRoom, session: string): Promise<Mirror | null> {
  const info = room.link ? await running(room, session) : null;
  return info?.kind === "shell" ? room.mirrorOf(info) : null;
}

// --- internal ---

/** The session of that name that runs; null where there is none, or the agent does not answer. */
async function running(room: Pick<RecordingRoom, "list">, session: string): Promise<SessionInfo | null> {
  const sessions = await room.list();
  return sessions?.find((info) => info.session === session && info.ended_at === null) ?? null;
}
