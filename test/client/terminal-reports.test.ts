import { expect, test } from "bun:test";
import { isReport } from "../../src/protocol/terminal-reports.ts";

const is = (text: string) => isReport(Buffer.from(text, "latin1"));

test.each([
  ["device attributes", "\x1b[?62;22c\x1b[>41;330;0c\x1bP!|00000000\x1b\\"],
  ["status and cursor", "\x1b[0n\x1b[24;80R\x1b[?24;80;1R"],
  ["a mode", "\x1b[?2026;2$y"],
  ["keyboard levels", "\x1b[?1u"],
  ["a colour, with either end", "\x1b]11;rgb:1e1e/1e1e/1e1e\x07\x1b]10;rgb:ff/ff/ff\x1b\\"],
  ["a setting and a name", "\x1bP1$r0m\x1b\\\x1bP>|kitty 0.35\x1b\\\x1b_Gi=1;OK\x1b\\"],
  ["sizes", "\x1b[8;24;80t\x1b[48;24;80;480;800t"],
  ["a colour scheme", "\x1b[?997;1n"],
  ["focus", "\x1b[I\x1b[O"],
  ["the mouse", "\x1b[<0;10;20M\x1b[<0;10;20m\x1b[M !!\x1b[32;10;20M"],
])("%s is a report", (_, text) => {
  expect(is(text)).toBe(true);
});

test.each([
  ["nothing", ""],
  ["text", "ls\r"],
  ["Escape alone, and a letter with Alt", "\x1b"],
  ["a letter with Alt", "\x1bx"],
  ["arrows, also with Ctrl", "\x1b[A\x1b[1;5C\x1bOA"],
  ["function keys", "\x1b[15~\x1bOP\x1b[1;5P"],
  ["a key by kitty's codes", "\x1b[97;5u"],
  ["a paste", "\x1b[200~\x1b[I\x1b[201~"],
  ["text behind a report", "\x1b[0n\r"],
  ["a report that is cut off", "\x1b]11;rgb:"],
  ["a long string", `\x1b]52;c;${"A".repeat(5_000)}\x07`],
])("%s is none", (_, text) => {
  expect(is(text)).toBe(false);
});
