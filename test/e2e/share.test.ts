import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Terminal } from "../support/terminal.ts";
import { World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world[Symbol.asyncDispose]());

/** A shell with a name, at its prompt. */
async function shell(session: string): Promise<Terminal> {
  const terminal = world.terminal(["connect", "box", "--session", session]);
  await terminal.see(/[$#] $/);
  return terminal;
}

async function shared(
  session: string,
  ...words: string[]
): Promise<{ id: string; link: string; token: string }> {
  const { code, out, err } = await run(["share", session, "--agent", "box", "--json", ...words]);
  if (code !== 0) throw new Error(`no share: ${err}`);
  return JSON.parse(out);
}

/** `rexec` to its end. */
async function run(words: readonly string[], options: { env?: Record<string, string | undefined> } = {}) {
  const env = { ...world.stack.clientEnv, ...options.env };
  const { code, stdout, stderr: err } = await world.rexec(words, null, 30_000, env);
  return { code, out: stdout.toString(), err };
}

/** A guest has no login of its own. */
const GUEST = { REXEC_TOKEN: undefined, REXEC_HOST: undefined };

describe("a share", () => {
  test("read-only: the guest sees all, can type nothing, and is cut off within a second of the revocation", async () => {
    await using owner = await shell("shown");
    const { id, link, token } = await shared("shown", "--name", "Bob");
    await using guest = world.terminal(["connect", "--share", link], { env: GUEST });
    await guest.see("read-only: you can look and not type");
    await guest.see(/[$#] /);
    await guest.type("echo typed-by-$((1+1))-guest\r");
    await guest.see("read-only: you can look and not type");
    await owner.type("echo seen-$((40+2))\r");
    await guest.see("seen-42");
    await guest.type("\x03\x04exit\r");
    await owner.type("echo still-$((40+3))\r");
    await guest.see("still-43");
    expect(owner.shown).not.toContain("typed-by-2-guest");

    const viewers = await run(["viewers", "box"]);
    expect(viewers.out).toMatch(/shared: Bob +shown .* look/);
    const list = await run(["share", "ls"]);
    expect(list.out).toContain(id);
    expect(list.out).not.toContain(token);

    expect((await run(["share", "rm", "Bob"])).code).toBe(0);
    const revokedAt = performance.now();
    const { exitCode } = await guest.exit(2_000);
    const tookMs = performance.now() - revokedAt;
    expect(tookMs).toBeLessThan(1_000);
    expect([exitCode, guest.shown.includes("this share was revoked")]).toEqual([255, true]);
    const again = await run(["connect", "--share", token], {
      env: { ...GUEST, REXEC_HOST: world.stack.url },
    });
    expect([again.code, again.err]).toEqual([
      255,
      "error: this share was revoked\nhint: ask for another one\n",
    ]);
    await owner.type("exit\r");
    await owner.exit();
  }, 40_000);

  test("with --type lets the guest type, and ends with the session", async () => {
    await using owner = await shell("helped");
    const { link } = await shared("helped", "--type");
    await using guest = world.terminal(["connect"], { env: { ...GUEST, REXEC_SHARE: link } });
    await guest.see(/[$#] /);
    await guest.type("echo by-$((1+1))-guest\r");
    await owner.see("by-2-guest");
    await owner.type("exit 3\r");
    expect((await guest.exit()).exitCode).toBe(3);
    const again = await run(["connect", "--share", link], { env: GUEST });
    expect([again.code, again.err]).toEqual([255, expect.stringContaining("ended")]);
  }, 30_000);

  test("leaves by the key, and its session goes on", async () => {
    await using owner = await shell("left");
    const { link } = await shared("left");
    await using guest = world.terminal(["connect", "--share", link], { env: GUEST });
    await guest.see(/[$#] /);
    await guest.type("\x1d");
    expect((await guest.exit()).exitCode).toBe(0);
    await owner.type("echo on-$((1+1))\r");
    await owner.see("on-2");
    await owner.type("exit\r");
    await owner.exit();
  }, 30_000);
});

describe("control", () => {
  test("is taken by Ctrl+] c, shown to the others, and given back by Ctrl+] o", async () => {
    await using one = await shell("held");
    await using two = world.terminal(["attach", "box", "held"]);
    await two.see(/[$#] /);
    await one.type("\x1dc");
    await one.see("you have control: no other viewer can type (Ctrl+] o gives it back)");
    await two.see("admin has control: what you type is dropped");
    await two.type("echo dropped-$((1+1))\r");
    await two.see("admin has control: what you type is dropped");
    await one.type("echo kept-$((1+1))\r");
    await two.see("kept-2");
    expect(one.shown).not.toContain("dropped-2");
    const viewers = await run(["viewers", "box", "--json"]);
    expect(JSON.parse(viewers.out).flatMap(({ controls }: { controls: string[] }) => controls)).toEqual([
      "held",
    ]);
    await one.type("\x1do");
    await two.see("every viewer can type again");
    await two.type("echo freed-$((1+1))\r");
    await one.see("freed-2");
    await two.type("\x1d");
    await two.exit();
    await one.type("exit\r");
    await one.exit();
  }, 40_000);

  test("is taken and freed from the command line, and is over when its viewer leaves", async () => {
    await using one = await shell("ruled");
    await using two = world.terminal(["attach", "box", "ruled"]);
    await two.see(/[$#] /);
    const taken = await run(["control", "ruled", "take"]);
    expect([taken.code, taken.err]).toEqual([0, "admin alone types in ruled on box now\n"]);
    await two.see("you have control");
    await one.see("has control: what you type is dropped");
    await two.type("\x1d");
    await two.exit();
    await one.see("every viewer can type again");
    await one.type("echo after-$((1+1))\r");
    await one.see("after-2");
    expect((await run(["control", "ruled", "take"])).code).toBe(0);
    expect((await run(["control", "ruled", "free"])).code).toBe(0);
    await one.type("exit\r");
    await one.exit();
  }, 40_000);
});

describe("kick", () => {
  test("closes a viewer at once, for good, and another one goes on", async () => {
    await using one = await shell("guarded");
    const { id } = await shared("guarded", "--name", "mallory");
    const { link } = await shared("guarded", "--type", "--name", "eve");
    await using guest = world.terminal(["connect", "--share", link], { env: GUEST });
    await guest.see(/[$#] /);
    const listed = JSON.parse((await run(["viewers", "box", "--json"])).out);
    const eve = listed.find(({ user }: { user: string }) => user === "shared: eve");
    const kicked = await run(["kick", eve.id.slice(0, 12), "--revoke"]);
    expect(kicked.err).toContain("closed 1 viewer");
    expect(kicked.err).toContain("revoked 1 of");
    expect((await guest.exit()).exitCode).toBe(255);
    expect(guest.shown).toMatch(/closed by a manager|share was revoked/);
    expect((await run(["connect", "--share", link], { env: GUEST })).code).toBe(255);
    await one.type("echo on-$((1+1))\r");
    await one.see("on-2");
    expect((await run(["share", "rm", id])).code).toBe(0);
    const all = await run(["kick", "guarded", "--agent", "box"]);
    expect(all.err).toContain("closed 1 viewer");
    expect((await one.exit()).exitCode).toBe(255);
    const headers = { authorization: `Bearer ${world.stack.token}` };
    const audit = await (await fetch(`${world.stack.url}/api/audit`, { headers })).text();
    for (const action of ["share.created", "share.used", "share.revoked", "control.taken", "viewer.kicked"])
      expect(audit).toContain(`"${action}"`);
  }, 40_000);
});
