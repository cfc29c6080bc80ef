/** A team's day on the executables: from an invite to a restored backup, and what the audit says of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { Browser, PASSWORD } from "../support/browser.ts";
import { Terminal } from "../support/terminal.ts";
import { until } from "../support/wait.ts";
import { World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = new World();
  await world.stack.startGateway();
});
afterAll(() => world[Symbol.asyncDispose]());

/** `rexec` of the administrator, to its end; it has to go well. */
async function run(args: string[], env: Record<string, string | undefined> = {}): Promise<string> {
  const { code, stdout, stderr } = await world.rexec(args, null, 60_000, {
    ...world.stack.clientEnv,
    ...env,
  });
  if (code !== 0) throw new Error(`rexec ${args.join(" ")} left with ${code}: ${stderr}`);
  return stdout.toString();
}

test("invite, sign in, enrol, share, revoke: the audit names each step and its person; the recording plays; the backup has it all", async () => {
  // Ada is invited, makes her account in a browser, and signs her CLI in by a code that the browser approves.
  const invite = (await run(["admin", "users", "invite", "--name", "Ada"])).trim();
  const browser = new Browser(world.stack.url);
  const secret = new URL(invite).hash.slice(1);
  const made = await browser.send("POST", "/api/invites/accept", {
    link: secret,
    username: "ada",
    password: PASSWORD,
  });
  expect(made.status).toBe(201);
  const home = { HOME: join(world.folder, "ada"), REXEC_TOKEN: undefined, REXEC_HOST: undefined };
  await using login = new Terminal([binary("rexec"), "login", "--host", world.stack.url], {
    env: { ...world.stack.clientEnv, ...home, DISPLAY: undefined, BROWSER: undefined },
  });
  const [, code = ""] = await login.see(/\b([B-DF-HJ-NP-TV-Z]{4}-[B-DF-HJ-NP-TV-Z]{4})\b/);
  const approved = await browser.send("POST", "/api/device/approve", { user_code: code, approve: true });
  expect([approved.status, approved.text]).toEqual([200, expect.any(String)]);
  expect((await login.exit(30_000)).exitCode).toBe(0);
  const ada = (...args: string[]) => run(args, home);
  expect(await ada("whoami")).toContain("ada");

  // She enrols a machine with a join token, which is all that the machine is given.
  const joined = JSON.parse(await ada("join", "create", "--json", "--tags", "team"));
  await world.stack.register("box", world.stack.url, { REXEC_TOKEN: joined.token });
  await world.stack.startAgent();
  await ada("recordings", "policy", "--agent", "box", "always");

  // Grace sees the machine's terminals and types nothing, until that right is taken away.
  await run(["admin", "users", "add", "grace", "--passwordless"]);
  await ada("grant", "add", "box", "view", "--user", "grace");
  await using shell = new Terminal([binary("rexec"), "connect", "box"], {
    env: { ...world.stack.clientEnv, ...home },
  });
  await shell.see(/[$#] $/);
  const { token, id } = JSON.parse(await ada("share", "main", "--agent", "box", "--view", "--json"));
  await using guest = new Terminal(
    [binary("rexec"), "connect", "--share", token, "--host", world.stack.url],
    {
      env: { ...world.stack.clientEnv, REXEC_TOKEN: undefined },
    },
  );
  await guest.see(/[$#] /);
  await guest.type("echo typed-by-$((1+1))\r");
  await guest.see("read-only");
  await shell.type("echo made-at-$((20+22))\r");
  await guest.see("made-at-42");
  expect(shell.shown).not.toContain("typed-by-2");
  await ada("share", "rm", id);
  const before = performance.now();
  await guest.exit(2_000);
  expect(performance.now() - before).toBeLessThan(1_000);
  await shell.type("exit\r");
  await shell.exit();
  await ada("exec", "box", "-e", "SECRET=hunter2hunter2", "--", "sh", "-c", "exit 0");

  // The audit has each step with the person who took it, and no secret.
  const wanted = [
    ["invite.created", "admin"],
    ["invite.accepted", null],
    ["device.approved", "ada"],
    ["join.created", "ada"],
    ["join.used", "ada"],
    ["grant.created", "ada"],
    ["session.opened", "ada"],
    ["share.created", "ada"],
    ["share.revoked", "ada"],
    ["exec.finished", "ada"],
  ] as const;
  const entries = async () =>
    JSON.parse(await run(["audit", "--json", "--limit", "500"])) as {
      action: string;
      user?: { name: string };
    }[];
  let missing: unknown[] = [];
  const isWhole = async () => {
    const all = await entries();
    const has = ([action, user]: (typeof wanted)[number]) =>
      all.some((each) => each.action === action && (user === null || each.user?.name === user));
    missing = wanted.filter((each) => !has(each));
    return missing.length === 0;
  };
  await until(isWhole, 10_000, () => `the audit to have ${JSON.stringify(missing)}`);
  const text = JSON.stringify(await entries());
  for (const each of [secret, joined.token, token, PASSWORD, "hunter2hunter2"])
    expect(text).not.toContain(each);

  // The recording shows what the shell showed; a backup has all of it, and its chain is whole.
  const recordings = JSON.parse(await ada("recordings", "ls", "--json")) as { id: string; session: string }[];
  const recorded = recordings.find(({ session }) => session === "main")?.id ?? "";
  expect(await ada("recordings", "play", recorded)).toContain("made-at-42");
  const copy = join(world.folder, "backup");
  await run(["admin", "backup", copy, "--data", join(world.folder, "gateway")]);
  const restored = join(world.folder, "restored");
  await run(["admin", "restore", copy, "--data", restored]);
  await run(["admin", "audit", "verify", "--data", restored]);
  await run(["admin", "audit", "verify", "--data", join(world.folder, "gateway")]);
}, 180_000);
