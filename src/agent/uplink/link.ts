/** The rexec.v2 side of the connection to the server: its channels, and what comes in by the channel it is for. */
import { messageOf } from "../../lib/errors.ts";
import { reportFault } from "../../lib/fault.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { Link } from "../../link/link.ts";
import type { Line, Sender } from "../../link/sender.ts";
import {
  encodeControl,
  MAX_CONTROL_BYTES,
  type OpenerMessage,
  type OwnerInput,
  parseOpener,
  type RefusalCode,
} from "../../protocol/v2/control.ts";
import type { RunManager } from "../commands/run-manager.ts";
import { isOpening, type Openers, type Opening, openChannel } from "../openers.ts";
import type { AgentChannel } from "../sessions/agent-channel.ts";
import { Refusal } from "../sessions/refusal.ts";
import type { SessionManager } from "../sessions/session-manager.ts";
import type { V1Shells } from "../v1/shells.ts";

/** What a link opens channels to, and the line that it has. */
export interface LinkOptions {
  line: Line;
  sender: Sender;
  openers: Openers;
  sessions: SessionManager;
  /** Of rexec.v1, which a gateway of before tells what it takes of them. */
  shells: V1Shells;
  runs: RunManager;
  logger: Logger;
}

/** Channels of one connection. */
const MAX_CHANNELS = 1024;

/** The agent's end of one rexec.v2 connection. Owned by the agent, for as long as the connection lasts. */
export class V2Link {
  readonly #options: LinkOptions;
  readonly #link: Link<OpenerMessage & { channel?: number }, AgentChannel>;

  constructor(options: LinkOptions) {
    const { line, logger } = options;
    this.#options = options;
    const complain = (text: string) =>
      gather(logger, { level: "warn", kind: "broken messages", who: "server", atOnce: 5 }, text);
    this.#link = new Link({
      parse: parseOpener,
      maxText: MAX_CONTROL_BYTES,
      take: (message) => this.#take(message),
      invalid: (reason, channel) => {
        complain(`ignored a message that breaks the contract: ${reason}`);
        this.#refuse(channel, "bad_message", reason);
      },
      broken: (reason, code) => {
        complain(`the server broke rexec.v2: ${reason}`);
        line.fail(reason, code);
      },
      fault: (error) => reportFault(logger, "a channel failed", error),
      failed: (channel) =>
        this.#refuse(channel, "failed", "the agent has a problem of its own with this session"),
    });
  }

  /** A text frame that is none of v1's. @returns false where it is none of v2's either */
  text(text: string): boolean {
    return this.#link.text(text);
  }

  bytes(bytes: Uint8Array): void {
    this.#link.bytes(bytes);
  }

  /** As that of `Link`. */
  failOf(source: unknown, error: unknown): boolean {
    return this.#link.failOf(source, error);
  }

  /** The connection is gone. */
  lost(): void {
    this.#link.lost();
  }

  // --- internal ---

  #take(message: OpenerMessage): boolean {
    const { openers, sessions, runs } = this.#options;
    if (isOpening(openers, message)) {
      this.#open(message);
      return true;
    }
    switch (message.type) {
      case "list":
        this.#send({ type: "sessions", sessions: [...sessions.infos(), ...runs.infos()] });
        return true;
      case "kill":
        if (!sessions.kill(message.session) && !runs.kill(message.session))
          this.#refuse(undefined, "gone", `no session ${message.session} runs here`);
        return true;
      case "detach":
        this.#link.close(message.channel);
        return true;
      case "v1_output":
        this.#options.shells.want(message.session, message.wanted);
        return true;
      default:
        return false;
    }
  }

  #open(message: Opening): void {
    const { openers, sender } = this.#options;
    this.#link.close(message.channel);
    try {
      if (this.#link.size >= MAX_CHANNELS)
        throw new Refusal("too_many_channels", `${MAX_CHANNELS} channels are open already`);
      const { channel: number } = message;
      const channel = openChannel(openers, message, sender, () => this.#link.close(number));
      this.#link.set(number, channel);
      const { info, starts, accepted: input, created } = channel;
      this.#send({ type: "attached", channel: number, info, starts, input, created });
      channel.begin();
    } catch (error) {
      const code = error instanceof Refusal ? error.code : "failed";
      this.#refuse(message.channel, code, messageOf(error));
    }
  }

  #send(message: OwnerInput): void {
    this.#options.sender.control(encodeControl(message));
  }

  #refuse(channel: number | undefined, code: RefusalCode, message: string): void {
    this.#send({ type: "refused", ...(channel === undefined ? {} : { channel }), code, message });
  }
}
