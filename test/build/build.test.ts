import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildTarget, nativeArch, readStamp, TARGETS, writeSums } from "../../build.ts";
import { lacks, testUnless } from "../support/needs.ts";

const ROOT = join(import.meta.dir, "../..");
const STAMP = { version: "7.8.9", commit: "0123456789ab" };
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-build-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the build", () => {
  const native = TARGETS.filter(({ arch }) => arch === nativeArch());

  test("knows four executables by the names that the gateway serves", () => {
    expect(TARGETS.map(({ file }) => file).sort()).toEqual([
      "rexec-agent-linux-amd64",
      "rexec-agent-linux-arm64",
      "rexec-linux-amd64",
      "rexec-linux-arm64",
    ]);
  });

  test.each(TARGETS.map((target) => [target.file, target] as const))(
    "gives the same bytes twice for %s, and leaves nothing else",
    async (file, target) => {
      const [first, second] = [join(folder, "first"), join(folder, "second")];
      await buildTarget(target, first, STAMP);
      await buildTarget(target, second, STAMP);
      expect(sum(join(first, file))).toBe(sum(join(second, file)));
      expect([...new Bun.Glob(".*").scanSync({ cwd: first, dot: true, onlyFiles: false })]).toEqual([]);
      rmSync(second, { recursive: true });
    },
    120_000,
  );

  test.each(TARGETS.map((target) => [target.file, target] as const))(
    "puts the right machine's code into %s, and its one PTY addon",
    (file, target) => {
      const bytes = readFileSync(join(folder, "first", file));
      // e_machine of the ELF header: 62 is x86-64, 183 AArch64.
      expect(bytes.readUInt16LE(18)).toBe(target.arch === "amd64" ? 62 : 183);
      expect(occurrences(bytes, "forkpty(3) failed.")).toBe(1);
    },
  );

  test.each(native.map((target) => [target.program.name, target.file] as const))(
    "stamps version and commit into %s",
    (name, file) => {
      for (const option of ["version", "--version", "-v"]) {
        const { stdout, exitCode } = Bun.spawnSync([join(folder, "first", file), option], { env: {} });
        expect(stdout.toString()).toBe(`${name} 7.8.9 (0123456789ab)\n`);
        expect(exitCode).toBe(0);
      }
    },
  );

  // The files of the checkout are those that git knows.
  testUnless(existsSync(join(ROOT, ".git")) ? lacks("git") : "this is no checkout of git's")(
    "works in a checkout that has no dependencies yet",
    async () => {
      const checkout = join(folder, "checkout");
      const git = Bun.spawnSync(["git", "ls-files", "-z"], { cwd: ROOT });
      for (const file of git.stdout.toString().split("\0").filter(Boolean)) {
        if (existsSync(join(ROOT, file))) cpSync(join(ROOT, file), join(checkout, file));
      }
      const build = Bun.spawn([process.execPath, join(checkout, "build.ts"), "--native"], { stderr: "pipe" });
      expect({ code: await build.exited, said: await build.stderr.text() }).toMatchObject({ code: 0 });
      expect(readdirSync(join(checkout, "dist"))).toEqual(
        expect.arrayContaining([...native.map(({ file }) => file), "SHA256SUMS"]),
      );
    },
    120_000,
  );

  test("writes sums that sha256sum agrees with", () => {
    const first = join(folder, "first");
    writeSums(first);
    const { stdout, exitCode } = Bun.spawnSync(["sha256sum", "-c", "SHA256SUMS"], { cwd: first });
    expect(stdout.toString().trim().split("\n")).toHaveLength(4);
    expect(exitCode).toBe(0);
  });

  test("takes version and commit from package.json and git", () => {
    expect(readStamp().version).toMatch(/^\d+\.\d+\.\d+/);
    expect(readStamp().commit).toMatch(/^([0-9a-f]{12}(-dirty)?|unknown)$/);
  });

  // A folder in which someone starts the agent may be a stranger's checkout.
  test.each(native.map((target) => [target.program.name, target.file] as const))(
    "%s takes neither code nor settings from the folder it is started in",
    (_, file) => {
      const trap = mkdtempSync(join(folder, "trap-"));
      const sprung = join(trap, "sprung");
      const write = `require("node:fs").writeFileSync(${JSON.stringify(sprung)}, "")`;
      writeFileSync(join(trap, "preload.ts"), `${write}; console.log("PRELOADED");`);
      writeFileSync(
        join(trap, "bunfig.toml"),
        'preload = ["./preload.ts"]\n[run]\npreload = ["./preload.ts"]\n',
      );
      // The config that the trap names does not exist: where it is believed, the error names it.
      writeFileSync(join(trap, ".env"), `REXEC_CONFIG=${trap}/from-dotenv.yaml\nREXEC_TOKEN=stolen\n`);
      writeFileSync(join(trap, "tsconfig.json"), "{ broken");
      writeFileSync(join(trap, "package.json"), "{ broken");
      const path = join(folder, "first", file);
      for (const args of [["--version"], file.startsWith("rexec-agent") ? ["start"] : ["agent", "start"]]) {
        const { stdout, stderr } = Bun.spawnSync([path, ...args], {
          cwd: trap,
          env: { HOME: trap, PATH: "/usr/bin:/bin" },
          timeout: 10_000,
        });
        const said = `${stdout}${stderr}`;
        expect(said).not.toContain("PRELOADED");
        expect(said).not.toContain("from-dotenv");
        expect(said).not.toBe("");
      }
      expect(existsSync(sprung)).toBe(false);
    },
  );
});

function sum(path: string): string {
  return new Bun.CryptoHasher("sha256").update(readFileSync(path)).digest("hex");
}

function occurrences(bytes: Buffer, text: string): number {
  let count = 0;
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) count += 1;
  return count;
}
