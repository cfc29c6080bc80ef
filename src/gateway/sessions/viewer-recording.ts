/** The recording of a session, as one viewer of it has to do with it. */
import type { Mirror } from "./mirror.ts";
import type { Recorded, SessionRecordings } from "./session-recordings.ts";

/** Owned by the viewer's attachment. No method throws or waits. */
export class ViewerRecording {
  readonly #recordings: SessionRecordings | null;
  readonly #viewer: Recorded;

  /** @param recordings null where the gateway records nothing */
  constructor(recordings: SessionRecordings | null, viewer: Recorded) {
    this.#recordings = recordings;
    this.#viewer = viewer;
  }

  /** As `attached` tells it: left out where the session is not recorded. */
  isRecorded(instance: string): true | undefined {
    return this.#recordings?.isRecorded(instance, this.#viewer) || undefined;
  }

  /** @param created the viewer has started the session */
  joined(mirror: Mirror, created: boolean): void {
    this.#recordings?.joined(mirror, this.#viewer, created);
  }

  typed(mirror: Mirror | null, bytes: Uint8Array): void {
    if (mirror) this.#recordings?.typed(this.#viewer.agentId, mirror.info.instance, bytes);
  }
}
