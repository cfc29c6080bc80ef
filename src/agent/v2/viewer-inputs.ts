/** What viewers typed into one session, each byte applied once: every viewer numbers its own. */
import { StreamReceiver } from "../../lib/stream.ts";
import type { Session } from "../session.ts";

/** Input of one viewer that is accepted and not in the terminal yet, bytes. */
export const INPUT_WINDOW = 256 * 1024;
/** Viewers that are remembered; the longest silent one is forgotten first. */
const MAX_VIEWERS = 64;

/** One viewer's input. It outlives connections: what was accepted is applied, whoever is there by then. */
export class ViewerInput {
  readonly #session: Session;
  readonly #receiver = new StreamReceiver(0);
  #applied = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Offset of the byte that is waited for: everything before it is applied, or queued to be. */
  get accepted(): number {
    return this.#receiver.next;
  }

  /** Everything before it is in the terminal. */
  get applied(): number {
    return this.#applied;
  }

  /**
   * Input from `offset` on; what was there already is skipped. `onApplied` is called once the terminal has it.
   * @returns false where bytes are missing before it, or it is more than the window allows
   */
  accept(offset: number, bytes: Uint8Array, onApplied: () => void): boolean {
    if (offset + bytes.length > this.#applied + INPUT_WINDOW) return false;
    const fresh = this.#receiver.accept(offset, bytes);
    if (!fresh) return false;
    if (fresh.length === 0) return true;
    const end = this.accepted;
    // A copy: the frame is the socket's.
    void this.#session.apply(fresh.slice()).then(() => {
      this.#applied = end;
      onApplied();
    });
    return true;
  }
}

export class ViewerInputs {
  readonly #bySession = new WeakMap<Session, Map<string, ViewerInput>>();

  /** This viewer's input to this session. */
  of(session: Session, viewer: string): ViewerInput {
    const viewers = this.#bySession.get(session) ?? new Map<string, ViewerInput>();
    this.#bySession.set(session, viewers);
    const input = viewers.get(viewer) ?? new ViewerInput(session);
    viewers.delete(viewer);
    viewers.set(viewer, input);
    for (const [oldest] of viewers) {
      if (viewers.size <= MAX_VIEWERS) break;
      viewers.delete(oldest);
    }
    return input;
  }
}
