/** The connection of an agent: its messages checked and counted, its input bounded. */
import { reportFault } from "../../lib/fault.ts";
import { gather } from "../../lib/gather.ts";
import type { Logger } from "../../lib/log.ts";
import { CLOSE_POLICY } from "../../protocol/close-codes.ts";
import { type AgentMessage, encodeBare, parseAgentMessage } from "../../protocol/v1.ts";
import type { Connection } from "../sockets/connection.ts";
import { AgentLink } from "./agent-link.ts";

/** Broken messages per connection: the first few are logged, and after so many it is closed. */
const LOGGED_INVALID = 5;
const MAX_INVALID = 1_000;

/** What a room is told by its uplink. */
export interface UplinkEvents {
  onMessage(message: AgentMessage): void;
  onDrain(): void;
  onClosed(code: number, reason: string): void;
}

/** Owned by the agent's room, for one connection of the agent. */
export class Uplink {
  readonly connection: Connection;
  /** What it says beyond v1, where it speaks rexec.v2. */
  readonly link: AgentLink | null;
  /** It wants to know how many viewers it has. */
  readonly isEphemeral: boolean;
  /** RFC 3339. */
  readonly connectedAt = new Date().toISOString();
  #aliveAt = Date.now();
  readonly #name: string;
  readonly #logger: Logger;
  #invalid = 0;

  /** @param name of the agent, for the log */
  constructor(connection: Connection, name: string, logger: Logger, v2 = false, isEphemeral = false) {
    this.connection = connection;
    this.isEphemeral = isEphemeral;
    const onFault = (error: unknown) => reportFault(logger, `a session of agent ${name} failed`, error);
    this.link = v2 ? new AgentLink(connection, (reason) => this.#countInvalid(reason), onFault) : null;
    this.#name = name;
    this.#logger = logger;
  }

  /** Its last sign of life, RFC 3339. */
  get lastPing(): string {
    return new Date(this.#aliveAt).toISOString();
  }

  /** Takes over the connection's events; `onOpen` is called when it is there. */
  listen(events: UplinkEvents, onOpen: () => void): void {
    this.connection.listen({
      onOpen,
      onText: (text) => this.#take(text, events),
      onBytes: (bytes) => (this.link ? this.link.bytes(bytes) : this.#countInvalid("a binary frame")),
      onDrain: () => events.onDrain(),
      onAlive: () => {
        this.#aliveAt = Date.now();
      },
      onClose: (code, reason) => events.onClosed(code, reason),
    });
  }

  send(frame: string): void {
    this.connection.send(frame);
  }

  // --- internal ---

  #take(text: string, events: UplinkEvents): void {
    const parsed = parseAgentMessage(text);
    if (!parsed.ok) {
      if (parsed.problem === "invalid") this.#countInvalid(parsed.reason);
      else if (this.link) this.link.text(text);
      else this.#logger.debug(`agent ${this.#name}: ${parsed.reason}`);
    } else if (parsed.value.type === "ping") this.#pong();
    else events.onMessage(parsed.value);
  }

  #pong(): void {
    if (this.connection.reads) this.send(encodeBare("pong"));
    this.connection.pauseUntilRead();
  }

  #countInvalid(reason: string): void {
    this.#invalid += 1;
    // Gathered too, since an agent may connect anew as often as it likes.
    const cause = {
      level: "warn",
      kind: "agent nonsense",
      who: this.#name,
      atOnce: LOGGED_INVALID + 1,
    } as const;
    if (this.#invalid <= LOGGED_INVALID)
      gather(this.#logger, cause, `agent ${this.#name} sent nonsense: ${reason}`);
    if (this.#invalid === LOGGED_INVALID)
      gather(this.#logger, cause, `agent ${this.#name}: more of it is only counted`);
    if (this.#invalid > MAX_INVALID) {
      this.connection.close(CLOSE_POLICY, `${MAX_INVALID} messages that make no sense`);
    }
  }
}
