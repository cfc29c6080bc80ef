/** Output that comes behind a command's end, from a process that it has left. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { World } from "./support.ts";

describe.each([
  ["rexec.v2", []],
  ["rexec.v1", ["--v1-only"]],
])("over %s", (_, gatewayArgs) => {
  let world: World;
  beforeAll(async () => {
    world = await World.start({ gatewayArgs });
  });
  afterAll(() => world[Symbol.asyncDispose]());
  const exec = (options: string[], script: string) =>
    world.rexec(["exec", ...options, "box", "--", "bash", "-c", script]);
  const late = (seconds: number) => `printf data > >(sleep ${seconds}; cat); exit 7`;

  test("is cut after a while, which is said", async () => {
    const ran = await exec([], late(5));
    expect([ran.code, ran.stdout.toString()]).toEqual([7, ""]);
    expect(ran.stderr).toContain("a process that the command left still holds its output");
    expect(ran.stderr).toContain("--linger TIME");
  });

  test("is waited for as long as asked", async () => {
    const ran = await exec(["--linger", "20s"], late(3));
    expect([ran.code, ran.stdout.toString(), ran.stderr]).toEqual([7, "data", ""]);
  });

  test("is cut at once with --linger 0, though not what was printed before the end", async () => {
    const begun = performance.now();
    const ran = await exec(["--linger", "0", "--json"], "echo early; sleep 20 & exit 3");
    expect(performance.now() - begun).toBeLessThan(10_000);
    expect(JSON.parse(ran.stdout.toString())).toMatchObject({
      exit_code: 3,
      stdout: "early\n",
      left_open: true,
      started: true,
    });
  });

  test("is nothing to speak of where all ends together", async () => {
    const ran = await exec(["--json"], "echo all");
    expect(JSON.parse(ran.stdout.toString())).toMatchObject({ stdout: "all\n", left_open: false });
  });

  test.each(["x", "-1s", "25h"])("cannot be waited for %s", async (time) => {
    expect((await exec([`--linger=${time}`], "true")).code).toBe(2);
  });
});
