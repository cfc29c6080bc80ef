import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fromBytes, toBytes } from "../../src/lib/os-string.ts";
import { asText } from "../../src/lib/posix-script.ts";
import { commandLine } from "../../src/lib/quote.ts";

const SHELLS = [["sh"], ["bash"], ["zsh"], ["fish"], ["tcsh"], ["csh"], ["mksh"], ["busybox", "sh"]].filter(
  ([name = ""]) => Bun.which(name),
);

const sign = fc.constantFrom(..."'\"\\$`!%*~#;&|= \n\t\r^-({[".split("").map((one) => one.charCodeAt(0)));
const word = fc
  .array(fc.oneof(sign, fc.integer({ min: 1, max: 255 })), { maxLength: 16 })
  .map((bytes) => fromBytes(Uint8Array.from(bytes)));

function run(shell: readonly string[], line: string) {
  // Without HOME fish makes folders in the account's own one.
  const env = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/" };
  return Bun.spawnSync([...shell, "-c", line], { env, cwd: "/tmp" });
}

describe.each(SHELLS.map((shell) => [shell.join(" "), shell] as const))(
  "a command line in %s",
  (_, shell) => {
    test("hands any bytes on as they are", () => {
      fc.assert(
        fc.property(fc.array(word, { minLength: 1, maxLength: 8 }), (words) => {
          const ran = run(shell, commandLine({ words: ["/usr/bin/printf", "%s\\0", ...words] }));
          const wanted = Buffer.concat(words.flatMap((one) => [toBytes(one), Uint8Array.of(0)]));
          // What a shell says of its own home on stderr is not our business.
          expect([ran.stdout.toString("hex"), ran.exitCode]).toEqual([wanted.toString("hex"), 0]);
        }),
        { numRuns: 25 },
      );
    });

    test("sets variables and a folder of any bytes", () => {
      const folder = fromBytes(Buffer.from(`/tmp/rexec-odd-${process.pid}-\xff!`, "latin1"));
      Bun.spawnSync(["/bin/sh", "-c", commandLine({ words: ["mkdir", folder] })]);
      try {
        const line = commandLine({
          words: ["sh", "-c", 'printf %s "$PWD|$A"'],
          cwd: folder,
          env: { A: folder },
        });
        expect(run(shell, line).stdout.toString("latin1")).toBe(
          `/tmp/rexec-odd-${process.pid}-\xff!|/tmp/rexec-odd-${process.pid}-\xff!`,
        );
      } finally {
        Bun.spawnSync(["/bin/sh", "-c", commandLine({ words: ["rmdir", folder] })]);
      }
      expect(run(shell, commandLine({ words: ["true"], cwd: folder, env: {} })).exitCode).toBe(126);
    });

    test("tells as any shell what could not be run, and how it ended", () => {
      const codes = (...words: string[]) => run(shell, commandLine({ words })).exitCode;
      expect(codes("no-such-program!")).toBe(127);
      expect(codes("/etc/passwd", "!")).toBe(126);
      expect(codes("sh", "-c", "exit 9", "!")).toBe(9);
      const killed = run(shell, commandLine({ words: ["sh", "-c", "kill -KILL $$", "!"] }));
      expect(killed.signalCode).toBe("SIGKILL");
      expect(codes("!")).toBe(127);
      expect(codes("cd", "/nonexistent!")).not.toBe(127); // a builtin
    });
  },
);

test("a plain command stays readable", () => {
  expect(commandLine({ words: ["ls", "-l", "a b", "it's"] })).toBe(`ls -l 'a b' 'it'\\''s'`);
});

test("variables that are not text reach a program through a runtime that hands on nothing else", () => {
  const odd = fromBytes(Uint8Array.of(0xff, 0x27, 0x21, 0x0a, 0xfe));
  const { file, args, env } = asText({
    file: "/usr/bin/env",
    args: ["-0", "a b"].slice(0, 1),
    env: { ODD: odd, EVEN: "é" },
  });
  const { stdout } = Bun.spawnSync([file, ...args], { env: { ...env } });
  const all = stdout.toString("latin1").split("\0");
  expect(all).toContain("ODD=\xff'!\n\xfe");
  expect(all).toContain("EVEN=\u00c3\u00a9");
});
