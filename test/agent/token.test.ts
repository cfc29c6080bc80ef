import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as z from "zod/mini";
import { askAgent } from "../../src/agent/control/client.ts";
import { Account } from "../support/account.ts";
import { Terminal } from "../support/terminal.ts";
import { until } from "../support/wait.ts";

const made = z.object({ token: z.string(), id: z.string() });

let account: Account;
beforeEach(async () => {
  account = await Account.registered();
});
afterEach(async () => {
  await account[Symbol.asyncDispose]();
});

/** Another token for the agent alone. */
async function newToken(): Promise<{ token: string; id: string }> {
  const agent_id = account.settings.agent_id;
  return made.parse(await account.api("POST", "/api/tokens", { name: "next", scopes: ["agent"], agent_id }));
}

function connect(): Terminal {
  const { rexec } = account.stack.paths;
  const { REXEC_HOST, REXEC_TOKEN } = account.stack.clientEnv;
  return new Terminal([rexec, "connect", "box"], {
    env: { REXEC_HOST, REXEC_TOKEN, HOME: account.folder, NO_COLOR: "1" },
  });
}

describe("refresh-token", () => {
  test("gives the running agent the new token at once, and the shell that is open stays the same", async () => {
    await account.run(["start", "-d"]);
    const person = connect();
    await person.type("echo shell=$$.\r");
    const [, before] = await person.see(/shell=(\d+)\./);
    const old = z.array(z.object({ id: z.string(), scopes: z.array(z.string()) }));
    const tokens = z.object({ tokens: old }).parse(await account.api("GET", "/api/tokens")).tokens;
    const { token } = await newToken();
    const { pid } = account;
    const { code, err } = await account.run(["refresh-token"], { env: { REXEC_TOKEN: token } });
    expect(err).toContain("the running agent has reconnected with it; its shells stayed open");
    expect(code).toBe(0);
    expect(account.settings.token).toBe(token);
    // The old one is worth nothing to this connection any more.
    for (const { id, scopes } of tokens) {
      if (scopes.includes("agent")) await account.api("DELETE", `/api/tokens/${id}`);
    }
    await person.type("echo again=$$.\r");
    const [, after] = await person.see(/again=(\d+)\./);
    expect(after).toBe(before);
    expect(await account.json()).toMatchObject({ connected: true, pid, sessions: 1, last_error: null });
    await person.type("exit\r");
    await person.exit();
  });

  test("changes nothing where the server rejects the token, or it may not use this agent", async () => {
    await account.run(["start", "-d"]);
    const before = readFileSync(account.config, "utf8");
    const since = (await account.json()).connected_since;
    const wrong = await account.run(["refresh-token", "--token", `rexec_${"0".repeat(64)}`]);
    expect(wrong.code).toBe(4);
    expect(wrong.err).toContain("rejected the new token (401); the old one was kept");
    const other = z
      .object({ token: z.string() })
      .parse(await account.api("POST", "/api/agents/register", { name: "other", type: "agent" }));
    const foreign = await account.run(["refresh-token", "--token", other.token]);
    expect(foreign.code).toBe(4);
    expect(foreign.err).toMatch(/may not use agent \S+ \(403\); the old one was kept/);
    expect(readFileSync(account.config, "utf8")).toBe(before);
    expect((await account.json()).connected_since).toBe(since);
  });

  test("that the server does not take after all leaves the agent with the old one, and its shells", async () => {
    await account.run(["start", "-d"]);
    const person = connect();
    await person.type("echo shell=$$.\r");
    const [, before] = await person.see(/shell=(\d+)\./);
    const place = { socket: join(account.runtime, "agent.sock") };
    const token = `rexec_${"1".repeat(64)}`;
    expect(await askAgent(place, { do: "reload-token", token })).toMatchObject({
      ok: false,
      code: "http_401",
    });
    await until(
      async () => (await account.json()).connected === true,
      10_000,
      "the agent to be connected again",
    );
    await person.type("echo again=$$.\r");
    expect((await person.see(/again=(\d+)\./))[1]).toBe(before);
    await person.type("exit\r");
    await person.exit();
  });

  test("keeps the comments and the form of the file", async () => {
    const { agent_id, token: old } = account.settings;
    const path = join(account.home, ".rexec", "mine.yaml");
    const text = `# ours\napi_url: ${account.stack.url} # the gateway\ntoken: ${old} # secret\nagent_id: ${agent_id}\nlabels:\n  - a\nfuture: 1\n`;
    writeFileSync(path, text, { mode: 0o600 });
    if (process.getuid?.() === 0) Bun.spawnSync(["chown", "65534:65534", path]);
    const { token } = await newToken();
    const { code, err } = await account.run(["refresh-token", "-c", path, "--token", token]);
    expect(code).toBe(0);
    expect(err).toContain("no agent runs: it counts from the next start on");
    expect(readFileSync(path, "utf8")).toBe(text.replace(String(old), token));
  });

  test("asks for it unseen at a terminal, and says what is missing elsewhere", async () => {
    const { token } = await newToken();
    const person = account.terminal(["refresh-token"]);
    await person.see(/API token for .* \(not shown\): /);
    await person.type(`${token}\r`);
    expect(await person.exit()).toMatchObject({ exitCode: 0 });
    expect(person.shown).not.toContain(token);
    expect(account.settings.token).toBe(token);
    const { code, err } = await account.run(["refresh-token"]);
    expect(code).toBe(3);
    expect(err).toMatch(/no token, and nobody to ask .*\nhint: set REXEC_TOKEN, or give --token/);
  });

  test("says that a REXEC_TOKEN in the agent's environment would overrule the file", async () => {
    const { token: first } = await newToken();
    const { token: second } = await newToken();
    await account.run(["start", "-d"], { env: { REXEC_TOKEN: first } });
    const { code, err } = await account.run(["refresh-token", "--token", second]);
    expect(code).toBe(0);
    expect(err).toContain("the running agent has reconnected with it");
    expect(err).toMatch(/warning: .*REXEC_TOKEN set, which overrules the file/);
  });
});

describe("unregister", () => {
  test("removes the agent at the server, ends it here, and leaves no file and no folder of ours", async () => {
    await account.run(["start", "-d"]);
    const { pid } = account;
    const { code, err } = await account.run(["unregister", "--yes"]);
    expect(code).toBe(0);
    expect(err).toContain(`removed at ${account.stack.url}\nstopped (pid ${pid})\ndeleted `);
    expect(await account.api("GET", "/api/agents")).toEqual([]);
    const left = Bun.spawnSync(["find", account.home, "-mindepth", "1"]).stdout.toString();
    expect(left).toBe("");
    expect((await account.run(["unregister", "--yes"])).code).toBe(3);
  });

  test("asks first, and does nothing where the answer is no, or where nobody can be asked", async () => {
    const nobody = await account.run(["unregister"]);
    expect(nobody.code).toBe(2);
    expect(nobody.err).toContain("--yes");
    const person = account.terminal(["unregister"]);
    await person.see(/remove "box" .* from .*\? \[y\/N\] /);
    await person.type("\r");
    expect(await person.exit()).toMatchObject({ exitCode: 1 });
    expect(account.settings.agent_id).toBeString();
    expect(await account.api("GET", "/api/agents")).toHaveLength(1);
  });

  test("does what it can where the server is away, and says what it could not do", async () => {
    await account.run(["start", "-d"]);
    const { agent_id } = account.settings;
    await account.stack.stopGateway();
    const { code, err } = await account.run(["unregister", "--yes"]);
    expect(code).toBe(1);
    expect(err).toMatch(/not removed at .*refuses the connection/);
    expect(err).toContain(`could not be done: the server still has agent ${agent_id}`);
    expect(await Bun.file(account.config).exists()).toBe(false);
    expect(await account.run(["status"])).toMatchObject({ code: 3 });
  });
});

describe("logs", () => {
  test("shows the last lines, and with -f what comes", async () => {
    await account.run(["start", "-d"]);
    const { code, out } = await account.run(["logs", "-n", "1"]);
    expect(code).toBe(0);
    expect(out).toMatch(/^\S+ \[info\] connected to [^\n]+\n$/);
    const following = account.spawn(["logs", "-f", "-n", "0"]);
    try {
      let shown = "";
      void (async () => {
        for await (const bytes of following.stdout) shown += Buffer.from(bytes).toString();
      })();
      await account.run(["status"]); // by then it follows
      await account.stack.stopGateway();
      await until(
        () => shown.includes("the server is going away") || shown.includes("next try"),
        10_000,
        "the news",
      );
      expect(shown).not.toContain("connected to");
    } finally {
      following.kill();
      await following.exited;
    }
  });

  test("says where the output of one in the foreground is", async () => {
    const agent = account.spawn(["start"]);
    await until(async () => (await account.json()).running === true, 10_000, "the agent to run");
    const { code, err } = await account.run(["logs"]);
    expect(code).toBe(1);
    expect(err).toContain(`the agent (pid ${agent.pid}) keeps no log`);
    agent.kill();
    await agent.exited;
  });
});
