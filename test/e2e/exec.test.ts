import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { running } from "../support/proc.ts";
import { type Ran, World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world[Symbol.asyncDispose]());

const exec = (...command: string[]): Promise<Ran> => world.rexec(["exec", "box", "--", ...command]);

describe("rexec exec through the built gateway and agent", () => {
  test("prints what the command prints and leaves with its exit code", async () => {
    const ran = await exec("sh", "-c", "echo out; echo err >&2; exit 7");
    expect([ran.stdout.toString(), ran.stderr, ran.code]).toEqual(["out\n", "err\n", 7]);
  });

  test("gives the command pipes: a script that opens /dev/stderr by name finds it, and bash reads no profile", async () => {
    await Bun.write(`${world.folder}/.bashrc`, "echo from-bashrc\n");
    const ran = await exec("bash", "-c", "echo there > /dev/stderr; ls -l /proc/self/fd/0 | grep -c pipe:");
    expect([ran.stdout.toString(), ran.stderr, ran.code]).toEqual(["1\n", "there\n", 0]);
  });

  test("leaves with 128+n where a signal ended the command", async () => {
    expect((await exec("sh", "-c", "kill -9 $$")).code).toBe(137);
  });

  test("hands every argument on exactly as given, --help included", async () => {
    const words = ["--help", "-v", "a b", "", "$HOME", "it's", '"', "*", "\\", "é\n%s", "--", "-c"];
    const ran = await exec("printf", "[%s]", ...words);
    expect(ran.stdout.toString()).toBe(words.map((word) => `[${word}]`).join(""));
  });

  test("passes stdin on, byte for byte, and takes output of any size through a pipe", async () => {
    const bytes = randomBytes(5_000_000);
    const ran = await world.rexec(["exec", "box", "--", "cat"], bytes);
    expect(ran.code).toBe(0);
    expect(ran.stdout.equals(bytes)).toBe(true);
  });

  test("streams output of any length: more than any message or buffer holds", async () => {
    const ran = await exec("sh", "-c", "head -c 60000000 /dev/zero; exit 0");
    expect([ran.stdout.length, ran.stderr, ran.code]).toEqual([60_000_000, "", 0]);
  });

  test("ends quietly where its own reader goes away", async () => {
    const child = Bun.spawn(
      ["sh", "-c", `"$0" exec box -- seq 1 200000 | head -1`, world.stack.paths.rexec],
      {
        env: world.stack.clientEnv,
        stdout: "pipe",
        stderr: "pipe",
      },
    );
    const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    expect([out, err]).toEqual(["1\n", ""]);
  });

  test("kills the whole process group at its timeout and leaves with 124", async () => {
    const ran = await world.rexec([
      "exec",
      "--timeout",
      "300ms",
      "box",
      "--",
      "sh",
      "-c",
      "sleep 987 & sleep 987",
    ]);
    expect(ran.code).toBe(124);
    expect(running("sleep 987")).toEqual([]);
  });

  test("gives the command no secret of the agent and nothing of the runtime", async () => {
    const ran = await exec("env");
    expect(ran.stdout.toString()).toContain("REXEC_AGENT=1");
    expect(ran.stdout.toString()).not.toMatch(/^(BUN_|REXEC_TOKEN|REXEC_CONFIG)/m);
    expect(ran.stdout.toString()).not.toContain("rexec_");
  });

  test("names the candidates of an ambiguous or unknown machine", async () => {
    const ran = await world.rexec(["exec", "nosuch", "--", "true"]);
    expect(ran.code).not.toBe(0);
    expect(ran.stderr).toContain("nosuch");
  });
});
