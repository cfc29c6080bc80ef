/** What a terminal shows that saw every byte: what others are compared with. */
import { SerializeAddon } from "@xterm/addon-serialize";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { Terminal } from "@xterm/headless";
import { TerminalState } from "../../src/gateway/v2/terminal-state.ts";
import { until } from "./wait.ts";

/** A terminal that parses everything, and all that is known of it. */
export class ReferenceTerminal {
  readonly terminal: Terminal;
  readonly #serializer = new SerializeAddon();
  readonly #state: TerminalState;

  constructor(size = { cols: 80, rows: 24 }) {
    this.terminal = new Terminal({ ...size, scrollback: 1000, allowProposedApi: true, logLevel: "off" });
    this.terminal.loadAddon(this.#serializer);
    this.terminal.loadAddon(new Unicode11Addon());
    this.terminal.unicode.activeVersion = "11";
    this.#state = new TerminalState(this.terminal);
  }

  write(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve) => this.terminal.write(bytes, resolve));
  }

  /** Resolves when it shows that. */
  async settled(isThere: () => boolean): Promise<void> {
    await until(isThere, 10_000, "the program to draw");
  }

  /** Contents, cursor and modes, as text to be compared. */
  picture(): string {
    const { cursorX, cursorY } = this.terminal.buffer.active;
    return [
      this.#serializer.serialize({ scrollback: 1000 }),
      this.#state.serialize(),
      JSON.stringify(this.terminal.modes),
      `${cursorX};${cursorY}`,
    ].join("\n---\n");
  }
}
