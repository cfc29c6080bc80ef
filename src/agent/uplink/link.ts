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
import { Refusal } from "../sessions/refusal.ts";
import type { SessionManager } from "../sessions/session-manager.ts";
import { type AgentChannel, ShellChannel } from "../sessions/shell-channel.ts";

/** What a link opens channels to, and the line that it has. */
export interface LinkOptions {
  line: Line;
  sender: Sender;
  sessions: SessionManager;
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
      failed: (error, channel) => {
        reportFault(logger, "a channel failed", error);
        this.#refuse(channel, "failed", "the agent has a problem of its own with this session");
      },
    });
  }

  /** A text frame that is none of v1's. @returns false where it is none of v2's either */
  text(text: string): boolean {
    return this.#link.text(text);
  }

  bytes(bytes: Uint8Array): void {
    this.#link.bytes(bytes);
  }

  /** The connection is gone. */
  lost(): void {
    this.#link.lost();
  }

  // --- internal ---

  #take(message: OpenerMessage): boolean {
    const { sessions, runs } = this.#options;
    switch (message.type) {
      case "list":
        this.#send({ type: "sessions", sessions: [...sessions.infos(), ...runs.infos()] });
        return true;
      case "kill":
        if (!sessions.kill(message.session) && !runs.kill(message.session))
          this.#refuse(undefined, "gone", `no session ${message.session} runs here`);
        return true;
      case "attach":
      case "run":
        this.#open(message);
        return true;
      case "detach":
        this.#link.close(message.channel);
        return true;
      case "v1_output":
        sessions.wantV1(message.session, message.wanted);
        return true;
      default:
        return false;
    }
  }

  #open(message: Extract<OpenerMessage, { type: "attach" | "run" }>): void {
    this.#link.close(message.channel);
    try {
      if (this.#link.size >= MAX_CHANNELS)
        throw new Refusal("too_many_channels", `${MAX_CHANNELS} channels are open already`);
      if (message.type === "attach") this.#attach(message);
      else this.#run(message);
    } catch (error) {
      const code = error instanceof Refusal ? error.code : "failed";
      this.#refuse(message.channel, code, messageOf(error));
    }
  }

  #attach(attach: Extract<OpenerMessage, { type: "attach" }>): void {
    const { sessions, sender } = this.#options;
    const { session, created } = sessions.find(attach);
    const { channel: number } = attach;
    const channel = new ShellChannel({
      attach,
      session,
      sender,
      onEnded: () => this.#link.close(number),
    });
    this.#link.set(number, channel);
    this.#send({
      type: "attached",
      channel: number,
      info: channel.info,
      starts: [channel.start, 0],
      input: channel.accepted,
      created,
    });
    channel.begin();
  }

  #run(run: Extract<OpenerMessage, { type: "run" }>): void {
    const { runs, sender } = this.#options;
    const { channel: number } = run;
    const channel = runs.attach(run, sender, () => this.#link.close(number));
    this.#link.set(number, channel);
    this.#send({
      type: "attached",
      channel: number,
      info: channel.info,
      starts: channel.starts,
      input: channel.accepted,
      created: channel.created,
    });
    channel.begin();
  }

  #send(message: OwnerInput): void {
    this.#options.sender.control(encodeControl(message));
  }

  #refuse(channel: number | undefined, code: RefusalCode, message: string): void {
    this.#send({ type: "refused", ...(channel === undefined ? {} : { channel }), code, message });
  }
}
