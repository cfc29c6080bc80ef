import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { quoteWord, quoteWords } from "../../src/lib/quote.ts";
import { describeUnless, lacks } from "../support/needs.ts";

/** Every shell that someone may have as a login shell here, each with the option that makes it run a line. */
const SHELLS = [["sh"], ["dash"], ["bash"], ["zsh"], ["fish"], ["busybox", "sh"]];

/** An argument may hold anything but NUL (and what is not text). */
const word = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => !text.includes("\0"));
const nasty = fc.string({
  unit: fc.constantFrom(
    "'",
    '"',
    "\\",
    "$",
    "`",
    "!",
    " ",
    "\n",
    "\t",
    "*",
    "~",
    "=",
    "a",
    "-",
    "#",
    "{",
    "}",
    ",",
    ";",
    "(",
    "é",
  ),
  maxLength: 12,
});

describe("quoteWords", () => {
  for (const shell of SHELLS) {
    describeUnless(lacks(shell[0] ?? ""))(`to ${shell.join(" ")}`, () => {
      test(`${shell.join(" ")} reads back every word exactly as given`, () => {
        fc.assert(
          fc.property(fc.array(fc.oneof(word, nasty), { minLength: 1, maxLength: 30 }), (words) => {
            expect(readBack(shell, words)).toEqual(words);
          }),
          { numRuns: 25 },
        );
      });

      test.each([
        [
          [
            "",
            "-n",
            "--help",
            "=ls",
            "~",
            "~root",
            "#",
            "!",
            "a\\",
            "\\'",
            "'",
            "\\n",
            "%1",
            "a=b",
            "{a,b}",
            "[a-z]*",
            "$HOME",
            "`id`",
            "\n",
            "a\nb",
            "^",
            "漢字 👩‍👧",
          ],
        ],
      ])(`${shell.join(" ")} expands nothing in %j`, (words) => {
        expect(readBack(shell, words)).toEqual(words);
      });

      test.each(["--", "-v", "-c"])(`${shell.join(" ")} takes the program %s for no option`, (program) => {
        const { stderr, exitCode } = Bun.spawnSync([...shell, "-c", quoteWords([program, "x"])]);
        expect({ exitCode, said: stderr.toString() }).toEqual({
          exitCode: 127,
          said: expect.stringContaining(program),
        });
      });
    });
  }
});

describe("quoteWord", () => {
  test("leaves a plain word as it is, so that commands stay readable", () => {
    expect(quoteWord("/usr/bin/env")).toBe("/usr/bin/env");
    expect(quoteWord("--name=x")).toBe("--name=x");
  });
});

/** What a program gets as its arguments when the shell runs the quoted line. */
function readBack(shell: readonly string[], words: readonly string[]): string[] {
  const line = `printf ${quoteWord("%s\\0")} ${quoteWords(words)}`;
  // /usr/bin/printf: builtins differ in what they make of \0, and take options.
  const { stdout, stderr, exitCode } = Bun.spawnSync([...shell, "-c", `/usr/bin/${line}`]);
  if (exitCode !== 0) throw new Error(`${shell.join(" ")} left with ${exitCode}: ${stderr.toString()}`);
  return stdout.toString().split("\0").slice(0, -1);
}
