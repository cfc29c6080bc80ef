/** Recordings on request, of a session that runs on an agent. */
import type { SessionInfo } from "../../protocol/v2/control.ts";
import type { Room } from "./room.ts";
import type { Recorded } from "./session-recordings.ts";

type RecordingRoom = Pick<Room, "link" | "list" | "mirrorOf" | "recordings">;

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
  return room.recordings?.stop(info.instance) ? "stopped" : "refused";
}

// --- internal ---

async function running(room: RecordingRoom, session: string): Promise<SessionInfo | null> {
  const sessions = await room.list();
  return sessions?.find((info) => info.session === session && info.ended_at === null) ?? null;
}
