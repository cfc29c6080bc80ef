/** `rexec exec -t`: one command on a terminal of its own. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = await World.start({ env: { GREETING: "of-the-agent" } });
});
afterAll(() => world[Symbol.asyncDispose]());

describe("rexec exec -t", () => {
  test("gives the command a terminal with this one's size and name, and leaves with its exit code", async () => {
    await using terminal = world.terminal(
      ["exec", "-t", "box", "--", "sh", "-c", "test -t 0 && test -t 1 && stty size; echo $TERM; exit 9"],
      { cols: 91, rows: 33 },
    );
    await terminal.see("33 91");
    await terminal.see("xterm-256color");
    expect(await terminal.exit()).toEqual({ exitCode: 9, signal: null });
  });

  test("hands on every key as it is pressed, Ctrl-C included, and new sizes", async () => {
    await using terminal = world.terminal([
      ...["exec", "-t", "box", "--", "sh", "-c"],
      "trap 'stty size' WINCH; trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.1; done",
    ]);
    await terminal.see("ready");
    terminal.resize(140, 50);
    await terminal.see("50 140");
    await terminal.type("\x03");
    await terminal.see("interrupted");
    expect((await terminal.exit()).exitCode).toBe(5);
  });

  test("takes a folder, variables and words of any kind", async () => {
    await using terminal = world.terminal([
      ...["exec", "-t", "--cwd", "/usr", "-e", "A=a b!", "box", "--"],
      ...["sh", "-c", 'pwd; echo "<$A><$GREETING>"; printf "[%s]" "$@"', "sh", "it's", "a!b", "", "*"],
    ]);
    await terminal.see("/usr\r\n<a b!><of-the-agent>\r\n[it's][a!b][][*]");
    expect((await terminal.exit()).exitCode).toBe(0);
  });

  test("restores the terminal, and tells a signal as 128 and its number", async () => {
    const { rexec } = world.stack.paths;
    const script = `a=$(stty -g); "${rexec}" exec -t box -- sh -c 'stty raw; kill -34 $$'; echo "rc=$?"; [ "$a" = "$(stty -g)" ] && echo same`;
    const { Terminal } = await import("../support/terminal.ts");
    await using terminal = new Terminal(["/bin/sh", "-c", script], { env: world.stack.clientEnv });
    await terminal.see("rc=162");
    await terminal.see("same");
  });

  test("passes a piped stdin on as typed, and ends it", async () => {
    const ran = await world.rexec(["exec", "-t", "box", "--", "cat"], "one\ntwo\n");
    expect(ran.code).toBe(0);
    expect(ran.stdout.toString()).toContain("two\r\n");
  });

  test("says what it is in lists, and goes on where one leaves it", async () => {
    await using terminal = world.terminal(["exec", "-t", "box", "--", "sh", "-c", "echo up; sleep 600 # !"]);
    await terminal.see("up");
    const listed = await world.rexec(["sessions", "box", "--json"]);
    expect(listed.stdout.toString()).toContain("sh -c 'echo up; sleep 600 # !'");
    await terminal.type("\x1d");
    await terminal.see("rexec: left box; its command lives on (rexec attach box ");
    expect((await terminal.exit()).exitCode).toBe(0);
  });

  test.each([["--timeout=1s"], ["--linger=1s"], ["--json"], ["-n"]])(
    "does not go with %s",
    async (option) => {
      expect((await world.rexec(["exec", "-t", option, "box", "--", "true"])).code).toBe(2);
    },
  );
});

test("at a server of rexec.v1 it is refused", async () => {
  await using old = await World.start({ gatewayArgs: ["--v1-only"] });
  const ran = await old.rexec(["exec", "-t", "box", "--", "touch", `${old.folder}/ran`]);
  expect(ran.code).toBe(255);
  expect(ran.stderr).toContain("cannot run a single command on a terminal");
  expect(await Bun.file(`${old.folder}/ran`).exists()).toBe(false);
});
