/** What a terminal shows that saw every byte: what others are compared with. */
import { SerializeAddon } from "@xterm/addon-serialize";
import type { Terminal } from "@xterm/headless";
import { Beyond } from "../../src/screen/beyond.ts";
import { makeTerminal } from "../../src/screen/engine.ts";
import { serialize } from "../../src/screen/serialize.ts";
import { type Core, coreOf } from "../../src/screen/xterm-core.ts";
import { until } from "./wait.ts";

/** A terminal that parses everything, and all that is known of it. */
export class ReferenceTerminal {
  readonly terminal: Terminal;
  readonly core: Core;
  readonly beyond: Beyond;
  /** xterm's own, as a judge that is not ours. */
  readonly #serializer = new SerializeAddon();

  constructor(size = { cols: 80, rows: 24 }, scrollback = 1000) {
    this.terminal = makeTerminal(size, scrollback);
    this.core = coreOf(this.terminal);
    this.terminal.loadAddon(this.#serializer);
    this.beyond = new Beyond(this.terminal, this.core);
  }

  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve) => this.terminal.write(bytes, resolve));
  }

  /** Resolves when it shows that. */
  async settled(isThere: () => boolean): Promise<void> {
    await until(isThere, 10_000, "the program to draw");
  }

  /** Every line of the active screen and above it; one that goes on over several rows is one. */
  text(): string {
    const { active } = this.terminal.buffer;
    let text = "";
    for (let row = 0; row < active.length; row += 1) {
      const line = active.getLine(row);
      text += `${line?.isWrapped ? "" : "\n"}${line?.translateToString(true)}`;
    }
    return text.trim();
  }

  /** Contents, cursor and modes, as text to be compared. */
  picture(): string {
    const { cursorX, cursorY } = this.terminal.buffer.active;
    const { drawn, state } = serialize(this.core, this.beyond, { scrollback: 1000, limit: Infinity });
    return [
      drawn + state,
      this.#serializer.serialize({ scrollback: 1000 }),
      this.text(),
      JSON.stringify(this.terminal.modes),
      `${cursorX};${cursorY}`,
    ].join("\n---\n");
  }
}
