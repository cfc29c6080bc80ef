import { expect, test } from "bun:test";
import { join } from "node:path";

const OPEN_FILES = 128;

/** Asks for a command's pipes with so many descriptors free, and prints how many of these are free afterwards. */
const script = (free: number, withStdin: boolean) => `
  import { closeSync, openSync } from "node:fs";
  import { childPipes } from ${JSON.stringify(join(import.meta.dir, "../../src/agent/commands/child-pipes.ts"))};
  const fill = () => {
    const opened = [];
    try {
      for (;;) opened.push(openSync("/dev/null", "r"));
    } catch {
      return opened;
    }
  };
  const first = childPipes(${withStdin}); // what is made once is made now
  first.handedOver();
  first.abandon();
  const filler = fill();
  for (const fd of filler.slice(0, ${free})) closeSync(fd);
  let answer = "opened";
  try {
    childPipes(${withStdin});
  } catch (error) {
    answer = error.message;
  }
  console.log(JSON.stringify({ answer, free: fill().length }));
`;

test.each([
  [0, true],
  [2, true],
  [3, true],
  [4, true],
  [5, true],
  [1, false],
  [2, false],
  [3, false],
])(
  "with %i descriptors free (stdin: %p) no pipe of a command stays open",
  async (free, withStdin) => {
    const command = [process.execPath, "-e", script(free, withStdin)];
    const limited = ["sh", "-c", `ulimit -n ${OPEN_FILES} && exec "$@"`, "sh", ...command];
    const child = Bun.spawn(limited, {
      stdout: "pipe",
      stderr: "inherit",
      timeout: 20_000,
      killSignal: "SIGKILL",
    });
    const answer = await child.stdout.text();
    expect(JSON.parse(answer)).toEqual({ answer: "no pipe: too many open files", free });
  },
  30_000,
);
