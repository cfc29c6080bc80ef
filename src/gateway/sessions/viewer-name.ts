/** Viewers as other viewers, lists and the log are shown them. */
import type { Principal } from "../auth/principal.ts";

/** The user's name; of the viewer of a share the name that the share was given. */
export function viewerName({ user, credential }: Principal): string {
  return credential.kind === "share" ? `shared: ${credential.name}` : user.username;
}

/** The one session that the viewer of a share may see, and which start of it; null for any other viewer. */
export function sharedSession({ credential }: Principal): { session: string; instance: string } | null {
  const { kind, session, instance } = credential;
  return kind === "share" ? { session: session ?? "", instance: instance ?? "" } : null;
}
