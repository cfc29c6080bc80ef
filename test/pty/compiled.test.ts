import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arm64Runner } from "../support/binaries.ts";
import { testUnless, whyNoUserNamespace } from "../support/needs.ts";
import { within } from "../support/wait.ts";

setDefaultTimeout(30_000);

const folder = mkdtempSync(join(tmpdir(), "rexec-compiled-"));
const binary = join(folder, "program");
const runner = arm64Runner();

/** A program that opens one PTY and prints which backend served it, why, and how it ended. */
const program = `
  import { openPty, ptyBackend } from ${JSON.stringify(join(import.meta.dir, "../../src/pty/open.ts"))};
  const pty = openPty({ file: "/bin/sh", args: ["-c", "stty size; exit 9"], env: { PATH: "/usr/bin:/bin" },
    cwd: "/", cols: 80, rows: 24 });
  let output = "";
  for (let chunk; (chunk = await pty.read()) !== null; ) output += Buffer.from(chunk).toString();
  console.log(JSON.stringify({ ...ptyBackend(), output, ...(await pty.exited) }));`;

async function build(arch: string, outfile: string) {
  const entry = join(folder, "program.ts");
  await Bun.write(entry, program);
  const flags = ["--compile", "--no-compile-autoload-bunfig", "--no-compile-autoload-dotenv"];
  const child = Bun.spawn(
    [process.execPath, "build", ...flags, `--target=bun-linux-${arch}`, entry, "--outfile", outfile],
    { stdout: "ignore", stderr: "pipe" },
  );
  if ((await within(child.exited, 25_000, "bun build")) !== 0) throw new Error(await child.stderr.text());
}

/** What the program prints; `temp` is the folder its addon is unpacked to, after `setup` in a mount namespace. */
async function run(command: string[], temp: string, setup?: string) {
  const spaces = [
    "unshare",
    "--user",
    "--map-root-user",
    "--mount",
    "sh",
    "-c",
    `${setup} && exec "$@"`,
    "sh",
  ];
  const env = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin", BUN_TMPDIR: temp };
  const words = setup === undefined ? command : [...spaces, ...command];
  const child = Bun.spawn(words, { env, cwd: "/", stderr: "pipe" });
  const [out, err] = await within(
    Promise.all([child.stdout.text(), child.stderr.text()]),
    15_000,
    "the program",
  );
  if (out === "") throw new Error(err);
  return JSON.parse(out);
}

const served = { output: "24 80\r\n", exitCode: 9, signal: null };

describe("a compiled binary", () => {
  beforeAll(() => build(process.arch, binary));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("holds one addon, and runs a shell with it far from node_modules", async () => {
    const text = Buffer.from(await Bun.file(binary).arrayBuffer());
    const mark = "forkpty(3) failed.";
    expect(text.indexOf(mark)).toBeGreaterThan(0);
    expect(text.indexOf(mark)).toBe(text.lastIndexOf(mark));
    expect(await run([binary], folder)).toMatchObject({ ...served, backend: "native" });
  });

  test("leaves nothing of its addon in the folder that it is unpacked to", async () => {
    const temp = mkdtempSync(join(folder, "temp-"));
    expect(await run([binary], temp)).toMatchObject({ ...served, backend: "native" });
    expect(readdirSync(temp)).toEqual([]);
  });

  for (const [state, option, why] of [
    ["noexec", "-o noexec", "failed to map segment"],
    ["full", "-o size=4k", "No such file"],
    ["read-only", "-o ro", "No such file"],
  ] as const) {
    testUnless(whyNoUserNamespace())(
      `falls back and says why where its temporary folder is ${state}`,
      async () => {
        const temp = join(folder, "temp");
        const result = await run([binary], temp, `mkdir -p ${temp} && mount -t tmpfs ${option} none ${temp}`);
        expect(result).toMatchObject({ ...served, backend: "bun" });
        expect(result.reason).toContain(why);
        expect(result.reason).toContain("BUN_TMPDIR");
      },
    );
  }

  testUnless("missing" in runner ? runner.missing : null)(
    "made for arm64 on another machine, runs a shell there",
    async () => {
      const foreign = join(folder, "foreign");
      await build("arm64", foreign);
      const command = [...("command" in runner ? runner.command : []), foreign];
      expect(await run(command, folder)).toMatchObject({ ...served, backend: "native" });
    },
  );
});
