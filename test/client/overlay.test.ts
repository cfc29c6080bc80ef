/** Lines of ours over the picture that a viewer begins with change nothing but the top row. */
import { describe, expect, test } from "bun:test";
import { Snapshot } from "../../src/client/shell/screen.ts";
import { ScreenEngine } from "../../src/screen/engine.ts";
import { ReferenceTerminal } from "../support/reference-terminal.ts";
import { factsOf } from "../support/terminal-facts.ts";

const SIZE = { cols: 40, rows: 8 };
/** What a program has left on, and what it prints after that. */
const CASES: readonly [string, string, string][] = [
  ["a saved cursor", "first\r\n\x1b[5;5H\x1b7\x1b[7;2H", "\x1b8here"],
  [
    "a saved cursor on the alternate screen",
    "\x1b[?1049h\x1b[3;3H\x1b7\x1b[2;9Hx",
    "\x1b8here\x1b[?1049lback",
  ],
  ["no saved cursor", "first\r\nsecond", "\x1b8home"],
  ["line drawing shifted in", "\x1b)0\x0eqqk\r\n", "qqk\x0fplain"],
  ["insert mode", "\x1b[4;1Hone two\x1b[4;1H\x1b[4h", "new "],
  ["origin in a region", "\x1b[3;6r\x1b[?6h\x1b[2;2Hin", "\x1b[H\nhere"],
  ["no autowrap", `\x1b[?7l${"x".repeat(50)}`, "y"],
  ["a wrap that is due", `\x1b[6;1H${"x".repeat(40)}`, "y"],
  ["a wide character at the margin", `\x1b[6;1H${"x".repeat(38)}漢`, "字"],
  ["a link and colours that go on", "\r\n\x1b]8;;http://a.example\x07\x1b[31;4:3;7mlink", " on"],
  ["half a sequence", "\r\ntext\x1b[3", "1mred"],
];

describe.each(CASES)("over a screen with %s", (_, before, after) => {
  test.each([
    [["also in this shell: ada"]],
    [
      [
        "also in this shell: ada (came 3 min ago), bob (came just now)",
        "7 bytes of output were skipped here",
      ],
    ],
  ])("%j", async (lines) => {
    const engine = new ScreenEngine(SIZE, 100);
    engine.write(Buffer.from(before));
    const { drawn, state } = engine.serializeParts({ scrollback: 100, limit: Infinity });
    const bytes = Buffer.from(drawn + state);
    const snapshot = new Snapshot({
      offset: 0,
      bytes: bytes.length,
      skipped: 0,
      drawn: Buffer.byteLength(drawn),
    });
    snapshot.add(0, bytes);
    const seen = async (picture: Uint8Array, onTop: boolean) => {
      const terminal = new ReferenceTerminal(SIZE, 100);
      await terminal.write(picture);
      if (onTop) expect(terminal.text()).toContain(`rexec: ${lines.at(-1)?.slice(0, 20)}`);
      await terminal.write(after);
      return factsOf(terminal.core, terminal.beyond).filter((fact) => !/^(normal|alternate) 0:/.test(fact));
    };
    const tail = Buffer.from(before).subarray(Buffer.byteLength(before) - engine.openBytes);
    const covered = await seen(Buffer.concat([snapshot.with(lines, SIZE.cols), tail]), true);
    expect(covered).toEqual(await seen(Buffer.concat([bytes, tail]), false));
  });
});
