/** Recordings by the executables: made, listed, played on a terminal, downloaded, removed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { eventsIn } from "../../src/protocol/cast.ts";
import { binary } from "../support/binaries.ts";
import { outputOf } from "../support/recording-stage.ts";
import { Terminal } from "../support/terminal.ts";
import { World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world[Symbol.asyncDispose]());

async function list() {
  const { stdout, stderr, code } = await world.rexec(["recordings", "ls", "--json"]);
  expect([stderr, code]).toEqual(["", 0]);
  return JSON.parse(stdout.toString());
}

test("connect --record tells so, and the recording has what was shown", async () => {
  await using terminal = world.terminal(["connect", "box", "--session", "told", "--record"]);
  await terminal.see("this session is recorded");
  await terminal.see(/[$#] $/);
  await terminal.type(
    "PS1='> '; echo first-$((6*7)); sleep 2; echo second-$((6*7)); sleep 6; echo third-$((6*7)); exit 5\r",
  );
  await terminal.see("third-42", 20_000);
  expect((await terminal.exit()).exitCode).toBe(5);
  const [recording] = await list();
  expect(recording).toMatchObject({
    session: "told",
    user: "admin",
    reason: "request",
    exit_code: 5,
    state: "complete",
  });
  expect(recording.duration).toBeGreaterThan(8);
}, 40_000);

test("a person's connect without --record is told nothing, and nothing is recorded", async () => {
  const before = (await list()).length;
  await using terminal = world.terminal(["connect", "box", "--session", "untold"]);
  await terminal.see(/[$#] $/);
  await terminal.type("exit\r");
  await terminal.exit();
  expect(terminal.shown).not.toContain("recorded");
  expect((await list()).length).toBe(before);
}, 20_000);

test("play goes to a moment at once, cuts silence, takes keys and leaves the terminal as it was", async () => {
  const [{ id }] = await list();
  const short = id.slice(-12);
  await using terminal = world.terminal(["recordings", "play", short, "--idle", "500ms"]);
  const started = performance.now();
  await terminal.see("space pauses");
  await terminal.see("first-42");
  await terminal.see("second-42");
  await terminal.see("third-42");
  await terminal.see("rexec: the end");
  expect((await terminal.exit()).exitCode).toBe(0);
  expect(performance.now() - started).toBeLessThan(7_000);

  await using later = world.terminal(["recordings", "play", short, "--from", "4s"]);
  await later.see("second-42");
  expect(later.shown).not.toContain("third-42");
  await later.type(" ");
  await later.type("\x1b[C\x1b[C");
  await later.see("third-42", 2_000);
  await later.see("rexec: the end");
  expect((await later.exit()).exitCode).toBe(0);

  await using left = world.terminal(["recordings", "play", short, "--from", "3s"]);
  await left.see("second-42");
  await left.type(" \x1b[Bq");
  await left.see("rexec: left at");
  expect((await left.exit()).exitCode).toBe(0);
}, 40_000);

test("Ctrl-C leaves a recording, and the terminal is no longer raw", async () => {
  const [{ id }] = await list();
  const shell = `stty -a > before; "$0" recordings play ${id} --speed 0.1; stty -a > after; cmp before after && echo SAME`;
  await using inside = new Terminal(["/bin/sh", "-c", shell, binary("rexec")], {
    env: world.stack.clientEnv,
    cwd: world.folder,
  });
  await inside.see("q quits");
  await inside.type("\x03");
  await inside.see("SAME");
}, 30_000);

test("without a terminal play prints all output, and download saves the cast", async () => {
  const [{ id, bytes }] = await list();
  const played = await world.rexec(["recordings", "play", id]);
  expect(played.stdout.toString()).toContain("third-42");
  const path = join(world.folder, "saved.cast");
  expect((await world.rexec(["recordings", "download", id, "-o", path])).code).toBe(0);
  const cast = readFileSync(path, "utf8");
  expect(cast.length).toBe(bytes);
  expect(outputOf(cast)).toBe(played.stdout.toString());
  expect(eventsIn(cast).at(-1)?.slice(1)).toEqual(["x", "5"]);
  const piped = await world.rexec(["recordings", "download", id, "-o", "-"]);
  expect(piped.stdout.toString()).toBe(cast);
});

test("a policy is set, listed and taken back; rm removes the files too", async () => {
  expect((await world.rexec(["recordings", "policy", "--agent", "box", "always"])).code).toBe(0);
  expect((await world.rexec(["recordings", "policy"])).stdout.toString()).toContain("agent box");
  await using terminal = world.terminal(["connect", "box", "--session", "by-policy"]);
  await terminal.see("this session is recorded");
  await terminal.type("exit\r");
  await terminal.exit();
  expect((await world.rexec(["recordings", "policy", "--agent", "box", "unset"])).code).toBe(0);
  const all = await list();
  expect(all[0]).toMatchObject({ session: "by-policy", reason: "always" });
  for (const { id } of all) {
    expect((await world.rexec(["recordings", "rm", id, "--yes"])).code).toBe(0);
  }
  expect(await list()).toEqual([]);
  const files = readdirSync(world.folder, { recursive: true }).map(String);
  expect(files.filter((name) => /recordings\/.*\.(cast|idx)$/.test(name))).toEqual([]);
}, 30_000);

test("start and stop record a session that runs", async () => {
  await using terminal = world.terminal(["connect", "box", "--session", "midway"]);
  await terminal.see(/[$#] $/);
  expect((await world.rexec(["recordings", "start", "box", "midway"])).code).toBe(0);
  await terminal.see("recorded from now on");
  expect((await world.rexec(["recordings", "stop", "box", "midway"])).code).toBe(0);
  await terminal.see("recorded no more");
  const twice = await world.rexec(["recordings", "stop", "box", "midway"]);
  expect([twice.code, twice.stderr]).toEqual([1, expect.stringContaining("not recorded")]);
  await terminal.type("exit\r");
  await terminal.exit();
}, 20_000);
