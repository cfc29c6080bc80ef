/** What a viewer of a shell knows that outlives its connections. */

import { InputWriter } from "../../link/input-writer.ts";
import { OutputReader } from "../../link/output-reader.ts";
import { Stream } from "../../protocol/v2/frames.ts";
import { Sink } from "../stream/sink.ts";
import type { AttachContext } from "./attach-context.ts";
import { TypingRights } from "./rights.ts";

/** State of a shell of rexec.v2 over all of its connections: what was shown, and what was typed and not applied. */
export class ShellState {
  readonly session: string;
  readonly journal = new InputWriter();
  readonly sink: Sink;
  readonly output: OutputReader;
  /** The shell that we look at, once we know; the same name may come to mean another one. */
  instance: string | null = null;
  /** We have what stands before the cursor: all bytes from the first on, or a picture that came to its end. */
  hasPast = false;
  /** The user was told that the agent is away. */
  /** The session is recorded, as far as the user was told. */
  recorded = false;
  toldAbsence = false;
  /** The user was told once that sizes differ. */
  sizeTold = false;

  readonly rights: TypingRights;

  /** The command was asked for once: never again. */
  asked = false;

  constructor({ terminal, fail, target }: AttachContext, session: string) {
    this.session = session;
    this.rights = new TypingRights(target.viewerId);
    this.sink = new Sink((bytes) => terminal.write(bytes), fail);
    this.output = new OutputReader(Stream.output, this.sink);
  }
}
