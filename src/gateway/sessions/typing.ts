/** Whether one viewer may type in its session, and what it is told about that. */

import { isReport } from "../../protocol/terminal-reports.ts";
import type { OwnerInput, OwnerMessage } from "../../protocol/v2/control.ts";
import type { Connection } from "../sockets/connection.ts";
import { type Controls, type InputRefusal, refusalText, type Seat } from "./control.ts";

type Refused = Extract<OwnerMessage, { type: "refused" }>;

/** What the typing of a viewer uses. */
export interface TypingDeps {
  controls: Controls;
  /** The viewer, and the session that it is at. */
  viewer: string;
  connection: Connection;
  channel: number;
  session(): string;
  send(message: OwnerInput): void;
  /** Input was refused, for the first time. */
  onRefused(refusal: InputRefusal): void;
}

/** Owned by the viewer's attachment. */
export class Typing {
  readonly #deps: TypingDeps;
  #told: InputRefusal | null = null;
  #said = "";
  /** Bytes that might go to the session. */
  typed = 0;

  constructor(deps: TypingDeps) {
    this.#deps = deps;
  }

  /** It only looks: it starts no session, and its terminal has no say in the session's size. */
  get isReadOnly(): boolean {
    return !this.#deps.connection.rights.use;
  }

  /** What a viewer is told that asked for a session which is to be started where there is none. */
  noSession(refused: Refused): Refused {
    if (!this.isReadOnly) return refused;
    const message = "read-only: there is no session of that name, and you cannot start one";
    return { ...refused, code: "not_allowed", message };
  }

  /** Whether the bytes may go to the session. A viewer is told once that they may not; a terminal's own answers are dropped without a word. */
  admits(bytes: Uint8Array): boolean {
    const { controls, channel } = this.#deps;
    const session = this.#deps.session();
    const refusal = controls.refusal(session, this.#seat);
    if (refusal === null) this.typed += bytes.length;
    if (refusal === null || this.#told === refusal || isReport(bytes)) return refusal === null;
    this.#told = refusal;
    const message = refusalText(refusal, controls.holderOf(session));
    this.#deps.send({ type: "input_refused", channel, code: refusal, message });
    this.#deps.onRefused(refusal);
    return false;
  }

  /** What came of its asking for control. @param why it got none, in words, or null */
  answered(why: string | null): void {
    if (why === null) return;
    const { channel } = this.#deps;
    const code = this.isReadOnly ? "read_only" : "controlled";
    this.#deps.send({ type: "input_refused", channel, code, message: why });
  }

  /** Tells the viewer who may type, where that is not what it was told last. Until it is told, every writer may. */
  tell(): void {
    const { controls, channel } = this.#deps;
    const session = this.#deps.session();
    const holder = controls.holderOf(session);
    const refusal = controls.refusal(session, this.#seat);
    if (refusal !== this.#told) this.#told = null;
    const message: OwnerInput = {
      type: "control",
      channel,
      mode: holder ? "only" : "everybody",
      ...(holder ? { viewer: holder.viewer, name: holder.name } : {}),
      may_type: refusal === null,
      read_only: refusal === "read_only",
    };
    const said = JSON.stringify(message);
    const isDefault = !holder && refusal === null;
    if (said === this.#said || (this.#said === "" && isDefault)) return;
    this.#said = said;
    this.#deps.send(message);
  }

  // --- internal ---

  get #seat(): Seat {
    return { viewer: this.#deps.viewer, mayUse: this.#deps.connection.rights.use };
  }
}
