import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { ReferenceTerminal } from "../support/reference-terminal.ts";
import { Terminal } from "../support/terminal.ts";
import { V2Gateway } from "../support/v2-gateway.ts";
import type { V2Shell } from "../support/v2-shell.ts";
import { until } from "../support/wait.ts";
import { ENTRY } from "./support/cli.ts";

const SIZE = { cols: 70, rows: 20 };
const LEFT = "rexec: left box; its shell lives on (rexec connect box)";
setDefaultTimeout(20_000);

/** A screen full of text, with the cursor somewhere in its middle. */
const FULL = `${Array.from({ length: 30 }, (_, row) => `row ${row} ${"x".repeat(60)}`).join("\r\n")}\x1b[9;20H`;

/** What a person's terminal shows once the client has shown that and was left. */
async function leftAfter(
  output: string,
  leave = "\x1d",
): Promise<{ screen: ReferenceTerminal; rows: string[] }> {
  await using gateway = new V2Gateway({ onShell: (shell: V2Shell) => void shell.write(`ready$ ${output}`) });
  await using terminal = new Terminal([process.execPath, ENTRY, "connect", "box"], {
    env: gateway.env,
    ...SIZE,
  });
  const end = Buffer.from(output).toString().slice(-4);
  await until(() => terminal.shown.endsWith(end), 8_000, "the output");
  await terminal.type(leave);
  await terminal.exit();
  const screen = new ReferenceTerminal(SIZE);
  await screen.write(`${terminal.shown}$ after`);
  const { active } = screen.terminal.buffer;
  const rows = Array.from(
    { length: active.length },
    (_, row) => active.getLine(row)?.translateToString(true) ?? "",
  );
  return { screen, rows };
}

describe("leaving", () => {
  const cases: [string, string][] = [
    ["a prompt", "$ "],
    ["a full screen", FULL],
    ["vim", `before\r\n\x1b[?1049h\x1b[?1h\x1b=\x1b[1;19r${FULL}\x1b[?25l`],
    ["less without an alternate screen", `${FULL}\x1b[20;1H\x1b[7m:\x1b[0m`],
    ["an unfinished DCS", `${FULL}\x1bPq#0;2;0;0;0~~~~`],
    ["an unfinished title", `${FULL}\x1b]0;half of a title`],
    ["an unfinished link in colours", `${FULL}\x1b[31;42m\x1b]8;;https://example.com/half`],
    ["half a CSI", `${FULL}\x1b[38;5;1`],
    ["half a CSI that is far too long", `${FULL}\x1b[${"1;".repeat(200)}1`],
    ["insert mode, no autowrap, line drawing", `${FULL}\x1b[4h\x1b[?7l\x1b(0\x1b)0\x0e`],
    ["an origin in a region", `${FULL}\x1b[5;10r\x1b[?6h\x1b[2;2H`],
    ["synchronized output and hidden text", `${FULL}\x1b[?2026h\x1b[8m`],
  ];
  test.each(cases)(
    "%s: the terminal is at rest, and the word stands on a line of its own",
    async (_, output) => {
      const { screen, rows } = await leftAfter(output);
      const at = rows.indexOf(LEFT);
      expect(at).toBeGreaterThan(0);
      expect(rows[at + 1]).toBe("$ after");
      const { active, normal } = screen.terminal.buffer;
      expect(active).toBe(normal);
      expect(screen.terminal.modes).toEqual(new ReferenceTerminal(SIZE).terminal.modes);
      expect(screen.core.coreService.isCursorHidden).toBe(false);
      expect(screen.core._inputHandler._curAttrData.extended.urlId).toBe(0);
    },
  );

  test("what a shell printed last stays, and no line is left empty where it ended one", async () => {
    const { rows } = await leftAfter("done\r\n");
    expect(rows.slice(rows.indexOf(LEFT) - 1, rows.indexOf(LEFT) + 1)).toEqual(["ready$ done", LEFT]);
  });
});
