import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { ENTRY, loggedIn, rexec } from "../client/support/cli.ts";
import { V1Server } from "../client/support/v1-server.ts";
import { Terminal } from "../support/terminal.ts";
import { AGENT, V2Gateway } from "../support/v2-gateway.ts";
import { V2Shell } from "../support/v2-shell.ts";

setDefaultTimeout(15_000);

/** A gateway with these shells, each of which has written its own name. */
function gatewayWith(...names: string[]): V2Gateway {
  const gateway = new V2Gateway();
  for (const name of names) {
    const shell = new V2Shell(name);
    shell.write(name);
    shell.picture = { bytes: Buffer.from(`<${name}>`), skipped: 0 };
    gateway.shells.set(name, shell);
  }
  return gateway;
}

describe("rexec sessions", () => {
  test("shows what runs and what has ended", async () => {
    await using gateway = gatewayWith("main", "split-1");
    gateway.shells.get("main")?.write("x".repeat(2_000_000));
    gateway.shells.get("split-1")?.finish({ exit_code: null, signal: "SIGHUP" });
    const ran = await rexec(["sessions", "box"], gateway.env);
    const [head, ...rows] = ran.stdout.toString().trimEnd().split("\n");
    expect(head?.split(/ {2,}/)).toEqual([
      "AGENT",
      "SESSION",
      "STARTED",
      "LAST OUTPUT",
      "VIEWERS",
      "COMMAND",
      "BYTES",
      "STATE",
    ]);
    expect(rows.map((row) => row.split(/ {2,}/))).toEqual([
      ["box", "main", "just now", "just now", "0", "/bin/bash -l", "2.0M", "running"],
      ["box", "split-1", "just now", "just now", "0", "/bin/bash -l", "7", "ended: SIGHUP"],
    ]);
    expect(ran.code).toBe(0);
  });

  test("of all machines that are online, as JSON", async () => {
    await using gateway = gatewayWith("main");
    const ran = await rexec(["sessions", "--json"], gateway.env);
    const said = JSON.parse(ran.stdout.toString());
    expect(said).toHaveLength(1);
    expect(said[0]).toMatchObject({
      agent: { id: AGENT.id, name: "box" },
      session: "main",
      kind: "shell",
      viewers: 0,
      bytes: 4,
      ended_at: null,
    });
  });

  test("leaves out those that are offline, and says so where there is nothing", async () => {
    await using gateway = new V2Gateway({ agents: [{ ...AGENT, status: "offline" }] });
    const ran = await rexec(["sessions"], gateway.env);
    expect(ran).toMatchObject({ code: 0, stderr: "no sessions: rexec connect NAME starts one\n" });
    expect(gateway.requests).toEqual(["GET /api/agents"]);
    expect((await rexec(["sessions", "--json"], gateway.env)).stdout.toString()).toBe("[]\n");
  });

  test("lists the others where one machine does not answer", async () => {
    const other = { ...AGENT, id: "22222222-2222-4333-8444-555555555555", name: "slow" };
    await using gateway = new V2Gateway({ agents: [AGENT, other] });
    gateway.shells.set("main", new V2Shell("main"));
    const ran = await rexec(["sessions"], gateway.env);
    expect(ran.code).toBe(0);
    expect(ran.stdout.toString()).toContain("main");
    expect(ran.stderr).toContain("slow: ");
  });

  test.each(["sessions box", "attach box main", "kill box main --yes"])(
    "and its relatives say what a server of rexec.v1 lacks: %s",
    async (line) => {
      await using server = new V1Server();
      const ran = await rexec(line.split(" "), loggedIn(server.url));
      expect(ran.code).toBe(line.startsWith("attach") ? 255 : 1);
      expect(ran.stderr).toContain("error: this server or agent knows no sessions by name");
      expect(ran.stderr).toContain("hint: ");
    },
  );
});

describe("rexec attach", () => {
  test("goes back to a shell by the beginning of its name, and starts none", async () => {
    await using gateway = gatewayWith("main", "split-abc");
    await using terminal = new Terminal([process.execPath, ENTRY, "attach", "box", "split"], {
      env: gateway.env,
    });
    await terminal.see("<split-abc>");
    gateway.shells.get("split-abc")?.write("live");
    await terminal.see("live");
    await terminal.type("\x1d");
    expect((await terminal.exit()).exitCode).toBe(0);
    expect(terminal.shown).toContain("its shell lives on (rexec attach box split-abc)");
    expect(gateway.heard[0]).toMatchObject({ type: "attach", session: "split-abc", create: false });
  });

  test("shows what is left of a shell that has ended, and exits as it did", async () => {
    await using gateway = gatewayWith("main");
    gateway.shells.get("main")?.finish({ exit_code: 3, signal: null });
    const ran = await rexec(["attach", "box", "main"], gateway.env);
    expect(ran).toMatchObject({ code: 3, stderr: "" });
    expect(ran.stdout.toString()).toBe("<main>");
  });

  test("says which sessions could be meant, and that there is none", async () => {
    await using gateway = gatewayWith("split-a1", "split-a2");
    const both = await rexec(["attach", "box", "split-a"], gateway.env);
    expect(both.code).toBe(2);
    expect(both.stderr).toContain('"split-a" could be any of 2: split-a1, split-a2');
    const none = await rexec(["attach", "box", "split-b1"], gateway.env);
    expect(none.code).toBe(255);
    expect(none.stderr).toContain('there is no session "split-b1"');
    expect(none.stderr).toContain("did you mean split-a1?");
  });

  test("leaves a command to whoever runs it", async () => {
    await using gateway = new V2Gateway();
    await rexec(["exec", "box", "--", "true"], gateway.env);
    const [name] = gateway.runs.keys();
    const ran = await rexec(["attach", "box", name ?? ""], gateway.env);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("is a command, not a shell");
  });
});

describe("rexec connect --session", () => {
  test("starts a shell with a name, and finds it again", async () => {
    await using gateway = new V2Gateway({
      onShell(shell) {
        shell.onInput = () => shell.finish({ exit_code: 0, signal: null });
      },
    });
    const ran = await rexec(["connect", "box", "--session", "deploy"], gateway.env, "exit\n");
    expect(ran.code).toBe(0);
    expect([...gateway.shells.keys()]).toEqual(["deploy"]);
  });

  test("is no own shell at the same time, and unknown to rexec.v1", async () => {
    await using server = new V1Server();
    const two = await rexec(["connect", "box", "--new", "--session", "x"], loggedIn(server.url));
    expect(two.code).toBe(2);
    const v1 = await rexec(["connect", "box", "--session", "x"], loggedIn(server.url));
    expect(v1.code).toBe(255);
    expect(v1.stderr).toContain("knows no sessions by name");
  });
});

describe("rexec kill", () => {
  test("ends a shell", async () => {
    await using gateway = gatewayWith("main", "other");
    const ran = await rexec(["kill", "box", "main", "--yes"], gateway.env);
    expect(ran).toMatchObject({ code: 0, stderr: "killed main on box\n" });
    expect(gateway.shells.get("main")?.end).toEqual({ exit_code: null, signal: "SIGHUP" });
    expect(gateway.shells.get("other")?.end).toBeNull();
    const again = await rexec(["kill", "box", "main", "--yes"], gateway.env);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("has ended already");
  });

  test("asks first, and takes nothing but a yes", async () => {
    await using gateway = gatewayWith("main");
    for (const [answer, ended] of [
      ["\r", false],
      ["no\r", false],
      ["y\r", true],
    ] as const) {
      await using terminal = new Terminal([process.execPath, ENTRY, "kill", "box", "main"], {
        env: gateway.env,
      });
      await terminal.see("kill main on box (/bin/bash -l, started just now, 0 viewers)? [y/N]");
      await terminal.type(answer);
      expect((await terminal.exit()).exitCode).toBe(ended ? 0 : 1);
      expect(gateway.shells.get("main")?.end !== null).toBe(ended);
    }
  });

  test("kills nothing where nobody can be asked", async () => {
    await using gateway = gatewayWith("main");
    const ran = await rexec(["kill", "box", "main"], gateway.env);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("give --yes");
    expect(gateway.shells.get("main")?.end).toBeNull();
  });
});
