/** What the server says, checked and handed on. Whatever it is, the agent lives on. */
import type { Logger } from "../../lib/log.ts";
import type { Sender } from "../../link/sender.ts";
import { SERVER_MESSAGE_BYTES } from "../../protocol/limits.ts";
import { encodeBare, parseServerMessage, type ServerMessage } from "../../protocol/v1.ts";
import type { SessionManager } from "../sessions/session-manager.ts";
import { LogLimiter } from "../uplink/log-limiter.ts";
import type { ExecManager } from "./exec-manager.ts";
import type { V1Shells } from "./shells.ts";

/** Where messages go. */
export interface DispatcherOptions {
  sender: Sender;
  sessions: SessionManager;
  shells: V1Shells;
  execs: ExecManager;
  logger: Logger;
  /** What v1 does not know: true where it is rexec.v2's. */
  other?(frame: string): boolean;
  /** The server says how many viewers there are. */
  viewers?(count: number): void;
}

/** Owned by the agent: gives each message of a server to the part that it is for. */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  readonly #complaints: LogLimiter;

  constructor(options: DispatcherOptions) {
    this.#options = options;
    this.#complaints = new LogLimiter((line) => options.logger.warn(line));
  }

  /** One text frame. Never throws. */
  text(frame: string): void {
    if (frame.length > SERVER_MESSAGE_BYTES) {
      this.#complaints.say(
        `ignored a message of ${frame.length} characters: the limit is ${SERVER_MESSAGE_BYTES}`,
      );
      return;
    }
    const parsed = parseServerMessage(frame);
    if (!parsed.ok) {
      if (parsed.problem === "unknown" && this.#options.other?.(frame)) return;
      if (parsed.problem === "unknown") this.#options.logger.debug(`ignored a message of ${parsed.reason}`);
      else this.#complaints.say(`ignored a message that breaks the contract: ${parsed.reason}`);
      return;
    }
    try {
      this.#dispatch(parsed.value);
    } catch (error) {
      this.#complaints.say(`${parsed.value.type} failed: ${String(error)}`);
    }
  }

  /** A binary frame, which v1 does not know. */
  binary(bytes: number): void {
    this.#complaints.say(`ignored a binary frame of ${bytes} bytes`);
  }

  // --- internal ---

  #dispatch(message: ServerMessage): void {
    const { sender, sessions, shells, execs } = this.#options;
    switch (message.type) {
      case "ping":
        sender.pong(encodeBare("pong"));
        return;
      case "shell_start":
        shells.start(message.data?.session_id, message.data?.new_session === true);
        return;
      case "shell_input":
        shells.input(message.data.session_id, message.data.data);
        return;
      case "shell_resize":
        shells.resize(message.data.session_id, message.data.cols, message.data.rows);
        return;
      case "shell_stop":
        void sessions.stopAll();
        return;
      case "shell_stop_session":
        sessions.stop(message.data.session_id);
        return;
      case "exec":
        execs.start(message.data);
        return;
      case "viewers":
        this.#options.viewers?.(message.data.count);
        return;
      case "error":
        this.#complaints.say(`the server reports: ${JSON.stringify(message.data)?.slice(0, 300)}`);
        return;
    }
  }
}
