import { expect, test } from "bun:test";
import fc from "fast-check";
import { quoteWords } from "../../src/lib/quote.ts";

/** What the program at the other end is given. */
function argumentsSeenBy(shell: string, words: readonly string[]): string[] {
  const line = quoteWords([
    process.execPath,
    "-e",
    "process.stdout.write(JSON.stringify(process.argv.slice(1)))",
    ...words,
  ]);
  const ran = Bun.spawnSync([shell, "-c", line], { env: { PATH: process.env.PATH ?? "" } });
  return JSON.parse(ran.stdout.toString());
}

test("whole lists of words reach a program through a real shell as they were", () => {
  const special = fc.constantFrom(
    "'",
    '"',
    "\\",
    "$",
    "`",
    "\n",
    "!",
    "*",
    "~",
    "#",
    ";",
    "&",
    "|",
    "=",
    " ",
    "é漢🎉",
  );
  const word = fc
    .array(fc.oneof(special, fc.string({ unit: "grapheme" })))
    .map((parts) => parts.join("").replaceAll("\0", ""));
  const words = fc.array(
    word.filter((each) => each.isWellFormed()),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(words, (list) => {
      const marked = list.map((each) => `_${each}`); // bun -e would take a leading option for itself
      expect(argumentsSeenBy("/bin/sh", marked)).toEqual(marked);
    }),
    { numRuns: 60 },
  );
});

test("the first word is a program, whatever it looks like", () => {
  for (const program of ["A=b", "time", "if", "!", "{", "~", "a b", "$PATH", "[["]) {
    const ran = Bun.spawnSync(["/bin/bash", "-c", quoteWords([program, "x"])], {
      env: { PATH: "/nonexistent" },
    });
    expect([program, ran.exitCode]).toEqual([program, 127]);
    expect(ran.stderr.toString()).toContain(`${program}: `);
  }
});
