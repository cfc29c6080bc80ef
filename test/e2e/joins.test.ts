/** Machines that join by a token, as people and machines do it: the executables, the installer, a real gateway. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod/mini";
import { Account } from "../support/account.ts";
import { binary } from "../support/binaries.ts";
import { describeUnless, lacks } from "../support/needs.ts";
import { until, within } from "../support/wait.ts";

let account: Account;
beforeEach(async () => {
  account = new Account();
  await account.stack.startGateway();
});
afterEach(() => account[Symbol.asyncDispose]());

const created = z.object({
  token: z.string(),
  commands: z.object({ curl: z.string(), wget: z.string(), register: z.string() }),
});
const listed = z.array(
  z.object({ id: z.string(), name: z.string(), status: z.string(), tags: z.optional(z.array(z.string())) }),
);

/** `rexec` of the administrator. */
async function rexec(...args: string[]) {
  const child = Bun.spawn([binary("rexec"), ...args], {
    env: { ...account.stack.clientEnv, HOME: account.folder, NO_COLOR: "1" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [out, err, code] = await within(all, 20_000, `rexec ${args.join(" ")} to end`);
  return { out, err, code };
}

const createJoin = async (...args: string[]) =>
  created.parse(JSON.parse((await rexec("join", "create", "--json", ...args)).out));
const machines = async (...args: string[]) =>
  listed.parse(JSON.parse((await rexec("ls", "--json", ...args)).out));
const online = (name: string, ms = 15_000) =>
  until(
    async () => (await machines("--online")).some((each) => each.name === name),
    ms,
    `${name} to be online`,
  );

/** As a person at the machine who pastes a line. */
const paste = (line: string, env: Record<string, string> = {}) =>
  account.run(["sh", line], { shell: true, env, ms: 90_000 });

/** Every file of the machine's account, and the logs, in one text. */
function written(): string {
  const files = readdirSync(account.home, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const texts = files
    .filter(({ name }) => name !== "rexec-agent")
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), "latin1"));
  return [...texts, readFileSync(account.stack.logs.gateway, "latin1")].join("\n");
}

describeUnless(lacks("curl", "wget"))("the line that join create prints", () => {
  test("installs, registers and starts a machine with the token's tags, once", async () => {
    const { out, err } = await rexec("join", "create", "--tags", "prod,eu", "--for", "the shop");
    const [token = ""] = out.split("\n");
    expect(err).toContain("a join token for 1 machine, until ");
    const line =
      out.split("\n").find((each) => each.trim().startsWith("curl ") && each.endsWith(" sh")) ?? "";
    expect(line).toContain(`REXEC_TOKEN=${token} sh`);
    // What the machine makes of it is another's account: as its own, without root.
    const installed = await paste(line, { REXEC_CONFIG: account.config });
    expect(installed.err).not.toContain("error");
    expect(installed.out).toContain("ready: this machine is connected to");
    const [machine] = await machines();
    expect(machine).toMatchObject({ status: "online", tags: ["prod", "eu"] });
    expect(account.settings.token).not.toBe(token);
    expect(written()).not.toContain(token.slice(20));
    expect((await rexec("exec", machine?.name ?? "", "--", "echo", "hello")).out).toBe("hello\n");
    // Run again it upgrades and keeps what is there; elsewhere it is used up.
    const again = await paste(line, { REXEC_CONFIG: account.config });
    expect(again.out).toContain("registered already: the join token was not used");
    expect(await machines()).toHaveLength(1);
    const elsewhere = {
      HOME: join(account.home, "other"),
      REXEC_CONFIG: join(account.home, "other", "a.json"),
    };
    const refused = await paste(
      `mkdir -p "$HOME"; ${line.replace(" sh", " sh -s -- --no-service")}`,
      elsewhere,
    );
    expect(refused.code).not.toBe(0);
    expect(refused.err).toContain("this join token has registered its one machine");
    expect(refused.err).toContain("rexec join create");
    expect(await machines()).toHaveLength(1);
    await account.run(["stop"]);
  }, 120_000);

  test("with wget and approval ends well, waits, and connects by itself once it is accepted", async () => {
    const { token, commands } = await createJoin("--approve", "--tags", "prod");
    const line = commands.wget.replace(/ sh$/, " sh -s -- --name waits");
    const { out, code } = await paste(line, { REXEC_CONFIG: account.config });
    expect(code).toBe(0);
    expect(out).toMatch(/installed: this machine waits to be accepted at \S+: rexec accept waits/);
    expect(await machines()).toEqual([]);
    expect(await machines("--pending")).toMatchObject([{ name: "waits" }]);
    expect((await rexec("ls", "--pending")).out).toMatch(/waits +\S+ +pending/);
    expect((await rexec("connect", "waits")).err).toContain('"waits" waits to be accepted');
    expect((await rexec("exec", "waits", "--wait", "0", "--", "id")).code).toBe(255);
    expect(JSON.parse((await account.run(["status", "--json"])).out)).toMatchObject({ pending: true });
    expect((await rexec("accept", "wai")).err).toContain('accepted "waits"');
    await online("waits", 10_000);
    expect((await rexec("exec", "waits", "--", "echo", "in")).out).toBe("in\n");
    expect(written()).not.toContain(token.slice(20));
    await account.run(["stop"]);
  }, 120_000);

  test("with labels that the token does not give undoes all, says so, and takes no use", async () => {
    const { commands } = await createJoin("--tags", "dev", "--name", "web-*");
    const bad = await paste(commands.curl.replace(/ sh$/, " sh -s -- --name web-1 --labels prod"));
    expect(bad.code).not.toBe(0);
    expect(bad.err).toContain("this join token gives the tags dev alone, and not prod");
    const name = await paste(commands.curl.replace(/ sh$/, " sh -s -- --name db-1"));
    expect(name.err).toContain('this join token is for names like "web-*"');
    expect(readdirSync(account.home)).toEqual([]);
    const good = await paste(commands.curl.replace(/ sh$/, " sh -s -- --name web-1 --no-service"));
    expect([good.err, good.code]).toEqual(["", 0]);
    expect(await machines()).toMatchObject([{ name: "web-1", tags: ["dev"] }]);
  }, 120_000);

  test("is no token to take an agent over with", async () => {
    const { commands } = await createJoin();
    const { code, err } = await paste(commands.curl.replace(/ sh$/, " sh -s -- --agent-id abc"));
    expect(code).toBe(2);
    expect(err).toContain("--agent-id takes the agent's own token");
  });
});

describe("a machine that waits", () => {
  test("is refused by rexec rm: its agent stops and says so", async () => {
    const { token } = await createJoin("--approve");
    await account.run(["register", "--name", "odd", "--host", account.stack.url], {
      env: { REXEC_TOKEN: token },
    });
    const started = await account.run(["start", "--daemon"]);
    expect(started.err).toContain("rexec accept odd");
    expect(started.code).toBe(0);
    expect((await rexec("rm", "odd")).err).toContain("give --yes");
    expect((await rexec("rm", "odd", "--yes")).err).toContain('removed "odd"');
    expect(await machines("--pending")).toEqual([]);
    await until(async () => (await account.json()).running === false, 15_000, "the agent to stop");
  }, 60_000);

  test("and others are accepted by --all; a second time none waits", async () => {
    const { token } = await createJoin("--approve", "--uses", "3");
    for (const name of ["a", "b", "c"]) {
      const env = { REXEC_TOKEN: token };
      await account.run(["register", "--force", "--name", name, "--host", account.stack.url], { env });
    }
    const { err, code } = await rexec("accept", "--all");
    expect(err.match(/accepted "/g)).toHaveLength(3);
    expect(code).toBe(0);
    expect((await rexec("accept", "--all")).err).toContain("no machine waits");
    expect((await rexec("accept")).code).toBe(2);
    expect((await machines()).map(({ name }) => name).sort()).toEqual(["a", "b", "c"]);
  }, 60_000);
});

test("start --ephemeral joins by such a token, and leaves nothing behind", async () => {
  const { token } = await createJoin("--ephemeral", "--uses", "unlimited", "--tags", "ci");
  const env = { REXEC_TOKEN: token, REXEC_HOST: account.stack.url, REXEC_CONFIG: "", TMPDIR: account.home };
  const started = await account.run(["start", "--ephemeral", "--daemon", "--name", "job"], { env });
  expect(started.err).not.toContain("error");
  expect(started.out).toContain("rexec connect job");
  expect(await machines()).toMatchObject([{ name: "job", status: "online", tags: ["ci"] }]);
  const twin = await account.run(["start", "--ephemeral", "--daemon", "--name", "job"], { env });
  const [, second = ""] = /rexec connect (\S+)/.exec(twin.out) ?? [];
  expect(second).toMatch(/^[0-9a-f-]{36}$/);
  expect((await rexec("exec", second, "--", "sh", "-c", "env; cat /proc/$PPID/environ")).out).not.toContain(
    token.slice(20),
  );
  for (const at of ["job", second]) {
    const [id] = (await machines()).filter((each) => each.name === at || each.id === at);
    await rexec("exec", id?.id ?? "", "--", account.program, "continue");
  }
  await until(async () => (await machines()).length === 0, 15_000, "both to leave");
}, 60_000);

describe("rexec", () => {
  beforeEach(async () => {
    for (const name of ["web-1", "web-2", "db"]) {
      const env = { REXEC_TOKEN: (await createJoin("--tags", "old")).token };
      await account.run(["register", "--force", "--name", name, "--host", account.stack.url], { env });
    }
  });

  test("rename, tag and describe change a machine at the server, and rm removes several", async () => {
    expect((await rexec("rename", "web-1", "shop")).err).toContain('to "shop"');
    expect((await rexec("rename", "db", "web-2")).err).toContain("warning: another agent");
    expect((await rexec("rename", "shop", "..")).code).toBe(2);
    expect((await rexec("tag", "shop", "+prod", "-old", "+eu")).err).toContain("has the tags prod, eu");
    expect((await rexec("tag", "shop")).out).toBe("prod\neu\n");
    expect((await rexec("tag", "shop", "-never")).code).toBe(0);
    expect(await rexec("tag", "shop", "prod")).toMatchObject({
      code: 2,
      err: expect.stringContaining("write +prod or -prod"),
    });
    expect((await rexec("tag", "shop", "+a", "-a")).code).toBe(2);
    expect((await rexec("describe", "shop", "the shop, 2nd floor")).code).toBe(0);
    expect((await rexec("describe", "shop")).out).toBe("the shop, 2nd floor\n");
    expect((await rexec("describe", "shop", "")).err).toContain("no description any more");
    expect((await rexec("describe", "shop")).out).toBe("\n");
    expect((await rexec("rm", "web-2", "shop", "-y")).code).toBe(2); // two are called web-2
    expect(await machines()).toHaveLength(3);
    const [{ id } = { id: "" }] = (await machines()).filter(({ name }) => name === "web-2");
    expect((await rexec("rm", "shop", id.slice(0, 8), "-y")).err.match(/removed /g)).toHaveLength(2);
    expect(await machines()).toHaveLength(1);
  }, 60_000);

  test("ls shows in brackets which tags a machine gave itself, and tag gives one", async () => {
    const env = { REXEC_TOKEN: account.stack.token };
    await account.run(
      ["register", "--force", "--name", "own", "--tags", "ours", "--host", account.stack.url],
      {
        env,
      },
    );
    await account.run(["register", "--tags", "ours,mine"]);
    expect((await rexec("ls")).out).toMatch(/own .* ours,\(mine\) /);
    const { out, err } = await rexec("tag", "own");
    expect(out).toBe("ours\nmine\n");
    expect(err).toContain("the machine gave itself, without rights by it: mine");
    await rexec("tag", "own", "+mine");
    expect((await rexec("ls")).out).toMatch(/own .* ours,mine /);
  }, 60_000);

  test("join ls and join rm show and revoke what join create made", async () => {
    const { token } = await createJoin("--for", "later", "--uses", "5");
    const { out } = await rexec("join", "ls");
    expect(out).toContain(token.slice(0, 17));
    expect(out).not.toContain(token.slice(0, 30));
    expect(out).toContain("0/5");
    expect(out.split("\n").filter((line) => line.includes("rexec_join_"))).toHaveLength(1);
    expect((await rexec("join", "ls", "--all")).out.match(/used_up/g)).toHaveLength(3);
    expect((await rexec("join", "rm", "later")).err).toContain(`revoked ${token.slice(0, 17)}`);
    expect((await rexec("join", "rm", "never")).code).toBe(4);
    const { err } = await account.run(["register", "--force", "--host", account.stack.url], {
      env: { REXEC_TOKEN: token },
    });
    expect(err).toContain("this join token was revoked");
    for (const words of [
      ["--uses", "0"],
      ["--uses", "many"],
      ["--expires", "never"],
      ["--name", " "],
    ]) {
      expect((await rexec("join", "create", ...words)).code).toBe(2);
    }
  }, 60_000);

  test("complete knows machines that wait, and join tokens", async () => {
    const { token } = await createJoin("--approve");
    await account.run(["register", "--force", "--name", "waiter", "--host", account.stack.url], {
      env: { REXEC_TOKEN: token },
    });
    expect((await rexec("complete", "waiting", "--", "accept", "")).out).toBe("waiter\n");
    const other = await createJoin();
    expect((await rexec("complete", "join", "--", "join", "rm", "")).out).toBe(
      `${other.token.slice(0, 17)}\n`,
    );
    expect((await rexec("complete", "machine", "--", "rm", "")).out).toContain("web-1\n");
    const script = (await rexec("completion", "bash")).out;
    for (const command of ["rm", "rename", "tag", "describe", "accept", "join create"]) {
      expect(script).toContain(`rexec ${command}`);
    }
  }, 60_000);

  test("with a join token in the place of an API token says what it is for", async () => {
    const { token } = await createJoin();
    const child = Bun.spawn([binary("rexec"), "ls"], {
      env: { REXEC_HOST: account.stack.url, REXEC_TOKEN: token, HOME: account.folder },
      stdout: "pipe",
      stderr: "pipe",
    });
    const err = await child.stderr.text();
    expect(await child.exited).toBe(4);
    expect(err).toContain("this is a join token");
    expect(err).toContain("rexec-agent register");
    expect(err).not.toContain(token.slice(20));
  });
});
