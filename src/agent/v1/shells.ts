/** Shells by rexec.v1: its messages as calls of the session manager, and its share of each session's output. */
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import type { Sender } from "../../link/sender.ts";
import { MAIN_SESSION } from "../../protocol/ids.ts";
import { isPathSegment } from "../../protocol/path.ts";
import { encodeAgent } from "../../protocol/v1.ts";
import { ByteBudget } from "../sessions/byte-budget.ts";
import type { Session } from "../sessions/session.ts";
import { INPUT_BUFFER_BYTES } from "../sessions/session-input.ts";
import type { SessionManager } from "../sessions/session-manager.ts";
import { isTerminalSide, shownSide } from "../sessions/session-size.ts";
import { V1Feed } from "./feed.ts";

/** What the border has on both sides. */
export interface V1ShellsOptions {
  sessions: SessionManager;
  sender: Sender;
  logger: Logger;
  /** Bytes of output that a server has not taken: of one session, and of all of them. */
  sessionBuffer: number;
  memoryBudget: number;
}

/** Owned by the agent. Refusals go to the server as `shell_error`. */
export class V1Shells {
  readonly #options: V1ShellsOptions;
  readonly #budget: ByteBudget;
  readonly #feeds = new WeakMap<Session, V1Feed>();

  constructor(options: V1ShellsOptions) {
    this.#options = options;
    this.#budget = new ByteBudget(options.memoryBudget);
  }

  /** v1's reader of a session that was made just now. */
  follow(session: Session): V1Feed {
    const { sender, sessionBuffer: bound } = this.#options;
    const feed = new V1Feed({ session, sender, budget: this.#budget, bound });
    this.#feeds.set(session, feed);
    return feed;
  }

  /** A server is connected to. To be called before anything is sent to it. */
  connect(isV2: boolean): void {
    for (const session of this.#options.sessions.all) this.#feeds.get(session)?.connect(!isV2);
  }

  /**
   * Tells a server that may be a new one which sessions run. One that speaks v2 hears only of those that it, or one
   * before it, asked for by v1.
   */
  announce(isV2: boolean): void {
    const { sessions, sender } = this.#options;
    for (const session of sessions.all) {
      const feed = this.#feeds.get(session);
      feed?.want(true);
      if (!isV2) feed?.serve();
      else if (!feed?.isOn) continue;
      if (session.state === "running") sender.control(encodeAgent.shellStarted(session.id));
    }
  }

  /** `new_session` not true means the shared session, whatever the id says. */
  start(requested: string | undefined, isNew: boolean): void {
    const id = isNew && requested ? requested : MAIN_SESSION;
    const { sessions, sender } = this.#options;
    if (!isPathSegment(id)) return void this.#refuse(id, "no session can have that name");
    const known = sessions.get(id);
    const feed = known && this.#feeds.get(known);
    if (known?.state === "running") {
      sender.control(encodeAgent.shellStarted(id));
      feed?.serve();
      feed?.want(true);
      feed?.named();
      return;
    }
    sender.control(encodeAgent.shellStarting(id));
    if (known) sessions.openAgain(id);
    else this.open(id);
    feed?.named(); // the end of the one before is sent first
  }

  /** Starts a session that a server has asked for. */
  open(id: string): void {
    const { sessions, sender } = this.#options;
    try {
      // `shell_started` before the session reads, so that no output can be ahead of it.
      const onStart = () => sender.control(encodeAgent.shellStarted(id));
      this.#feeds.get(sessions.open({ session: id }, onStart))?.serve();
    } catch (error) {
      this.#refuse(id, error instanceof Error ? error.message : String(error));
    }
  }

  /** Whether the server has a viewer that takes that session's output by v1. */
  want(id: string, wanted: boolean): void {
    const session = this.#options.sessions.get(id);
    if (session) this.#feeds.get(session)?.want(wanted);
  }

  input(requested: string, data: Uint8Array): void {
    const id = requested || MAIN_SESSION;
    const session = this.#options.sessions.get(id);
    if (session?.state !== "running") {
      this.#refuse(id, "no such session is running");
      return;
    }
    this.#feeds.get(session)?.named();
    if (session.write(data)) return;
    const limit = `${INPUT_BUFFER_BYTES / 1024 / 1024} MiB`;
    this.#refuse(id, `input refused: the program does not read, and ${limit} wait for it already`);
  }

  /** Nonsense is ignored with a warning; a size for a session that has not started yet is remembered. */
  resize(requested: string, cols: unknown, rows: unknown): void {
    const { sessions, logger } = this.#options;
    const id = requested || MAIN_SESSION;
    if (!isTerminalSide(cols) || !isTerminalSide(rows)) {
      const cause = { level: "warn", kind: "sizes", who: "server", atOnce: 10 } as const;
      gather(logger, cause, `session ${id}: ignored a size of ${shownSide(cols)} x ${shownSide(rows)}`);
      return;
    }
    const session = sessions.get(id);
    if (session) this.#feeds.get(session)?.named();
    if (session?.state === "running") session.resize(cols, rows);
    else sessions.expectSize(id, { cols, rows });
  }

  // --- internal ---

  #refuse(id: string, why: string): void {
    const cause = { level: "warn", kind: "refused sessions", who: "server", atOnce: 5 } as const;
    gather(this.#options.logger, cause, `session ${id}: ${why}`);
    this.#options.sender.control(encodeAgent.shellError(id, why));
  }
}
