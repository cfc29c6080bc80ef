/** The rexec.v2 side of the connection to the server: its channels, and what comes in by the channel it is for. */
import { messageOf } from "../../lib/errors.ts";
import { forEachSafely, reportFault } from "../../lib/fault.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import type { Line, Sender } from "../../link/sender.ts";
import { CLOSE_TOO_BIG } from "../../protocol/close-codes.ts";
import {
  encodeControl,
  MAX_CONTROL_BYTES,
  type OpenerMessage,
  type OwnerInput,
  parseOpener,
  type RefusalCode,
} from "../../protocol/v2/control.ts";
import { decodeFrame } from "../../protocol/v2/frames.ts";
import type { RunManager } from "../commands/run-manager.ts";
import { Refusal } from "../sessions/refusal.ts";
import type { SessionManager } from "../sessions/session-manager.ts";
import { type AgentChannel, ShellChannel } from "../sessions/shell-channel.ts";

export interface LinkOptions {
  line: Line;
  sender: Sender;
  sessions: SessionManager;
  runs: RunManager;
  logger: Logger;
}

/** Channels of one connection. */
const MAX_CHANNELS = 1024;

export class V2Link {
  readonly #options: LinkOptions;
  readonly #channels = new Map<number, AgentChannel>();

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  /** A text frame that is none of v1's. @returns false where it is none of v2's either */
  text(text: string): boolean {
    if (text.length > MAX_CONTROL_BYTES) {
      this.#options.line.fail(`a control message of ${text.length} characters`, CLOSE_TOO_BIG);
      return true;
    }
    const parsed = parseOpener(text);
    if (!parsed.ok) {
      if (parsed.problem === "unknown") return false;
      this.#complain(`ignored a message that breaks the contract: ${parsed.reason}`);
      const channel = channelOf(text);
      this.#refuse(channel, "bad_message", parsed.reason);
      return true;
    }
    this.#control(parsed.value);
    return true;
  }

  bytes(bytes: Uint8Array): void {
    const decoded = decodeFrame(bytes);
    if (!decoded.ok) {
      if (decoded.problem === "invalid") this.#options.line.fail(decoded.reason);
      return;
    }
    const { frame } = decoded;
    const wrong = this.#safely(frame.channel, () => this.#channels.get(frame.channel)?.frame(frame)) ?? null;
    if (wrong === null) return;
    this.#complain(`the server broke rexec.v2: ${wrong}`);
    this.#options.line.fail(wrong);
  }

  /** The connection is gone. */
  lost(): void {
    const channels = [...this.#channels.values()];
    this.#channels.clear();
    forEachSafely(channels, (channel) => channel.close(false), this.#fault);
  }

  // --- internal ---

  #complain(line: string): void {
    const { logger } = this.#options;
    gather(logger, { level: "warn", kind: "broken messages", who: "server", atOnce: 5 }, line);
  }

  #control(message: OpenerMessage): void {
    const { sessions, runs } = this.#options;
    switch (message.type) {
      case "list":
        this.#send({ type: "sessions", sessions: [...sessions.infos(), ...runs.infos()] });
        return;
      case "kill":
        if (!sessions.kill(message.session) && !runs.kill(message.session))
          this.#refuse(undefined, "gone", `no session ${message.session} runs here`);
        return;
      case "attach":
      case "run":
        this.#open(message);
        return;
      case "detach":
        this.#close(message.channel);
        return;
      case "v1_output":
        sessions.wantV1(message.session, message.wanted);
        return;
      default:
        this.#safely(message.channel, () => this.#channels.get(message.channel)?.control(message));
    }
  }

  #fault = (error: unknown): void => reportFault(this.#options.logger, "a channel failed", error);

  /** A channel that throws is closed, and the server told; the other channels go on. */
  #safely<T>(channel: number, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.#fault(error);
      this.#refuse(channel, "failed", "the agent has a problem of its own with this session");
      forEachSafely([channel], (number) => this.#close(number), this.#fault);
    }
  }

  #open(message: Extract<OpenerMessage, { type: "attach" | "run" }>): void {
    this.#close(message.channel);
    try {
      if (this.#channels.size >= MAX_CHANNELS)
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
      onEnded: () => this.#close(number),
    });
    this.#channels.set(number, channel);
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
    const channel = runs.attach(run, sender, () => this.#close(number));
    this.#channels.set(number, channel);
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

  #close(number: number): void {
    const channel = this.#channels.get(number);
    this.#channels.delete(number);
    channel?.close(true);
  }

  #send(message: OwnerInput): void {
    this.#options.sender.control(encodeControl(message));
  }

  #refuse(channel: number | undefined, code: RefusalCode, message: string): void {
    this.#send({ type: "refused", ...(channel === undefined ? {} : { channel }), code, message });
  }
}

function channelOf(text: string): number | undefined {
  try {
    const { channel } = JSON.parse(text);
    return Number.isSafeInteger(channel) && channel >= 0 ? channel : undefined;
  } catch {
    return undefined;
  }
}
