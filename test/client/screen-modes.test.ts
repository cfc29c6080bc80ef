import { describe, expect, test } from "bun:test";
import { ScreenModes } from "../../src/client/terminal/screen-modes.ts";

/** What undoes a stream, given in pieces of `size` bytes. */
function undo(stream: string, size = stream.length || 1): string {
  const modes = new ScreenModes();
  const bytes = Buffer.from(stream);
  for (let at = 0; at < bytes.length; at += size) modes.push(bytes.subarray(at, at + size));
  return modes.restore();
}

describe("what a remote program leaves switched on", () => {
  const left: [string, string, string[]][] = [
    [
      "vim",
      "\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[1;30r\x1b[?25l",
      ["\x1b[?1049l", "\x1b[?1l", "\x1b>", "\x1b[?2004l", "\x1b[?25h", "\x1b7\x1b[r\x1b8"],
    ],
    ["mouse reports", "\x1b[?1000;1006h\x1b[?1002h", ["\x1b[?1000l", "\x1b[?1006l", "\x1b[?1002l"]],
    ["longer key codes", "\x1b[>1u\x1b[>5u\x1b[>4;2m", ["\x1b[<2u", "\x1b[>4m"]],
    ["a cursor's shape", "\x1b[6 q", ["\x1b[0 q"]],
    ["after an unfinished title", "\x1b]0;title\x07\x1b[?25l", ["\x1b[?25h"]],
  ];
  test.each(left)("is undone: %s", (_, stream, expected) => {
    for (const size of [1, 2, 3, 5, stream.length]) {
      for (const part of expected) expect(undo(stream, size)).toContain(part);
    }
  });

  test("is not touched where the program tidied up itself", () => {
    const tidy = "\x1b[?1049h\x1b[?25l\x1b[?1000h\x1b[>1u text 漢字 \x1b[<u\x1b[?1000l\x1b[?25h\x1b[?1049l";
    for (const size of [1, 4, tidy.length]) expect(undo(tidy, size)).toBe("");
    expect(undo("\x1b[?1049h\x1b[?25l\x1bc")).toBe("");
    expect(undo("plain \x1b[31mred\x1b[0m text")).toBe("");
  });

  test("leaves the alternate screen only where it was entered", () => {
    expect(undo("\x1b[?25l")).not.toContain("1049");
  });

  test("does not follow a sequence that never ends", () => {
    expect(undo(`\x1b[${"9".repeat(100_000)}`, 1000)).toBe("");
    expect(undo(`\x1b[${"9".repeat(1000)}h\x1b[?25l`)).toContain("\x1b[?25h");
  });
});
