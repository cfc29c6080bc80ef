import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { encodeToViewer } from "../../src/protocol/v1-viewer.ts";
import { until } from "../support/wait.ts";
import { between, childOf, expectRestored, loggedIn, Screen, temporaryHome } from "./support/cli.ts";
import { agent, V1Server } from "./support/v1-server.ts";

describe("connect", () => {
  test("is a terminal: size, keys, colours, and the remote exit code", async () => {
    await using server = new V1Server();
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("Ctrl+] leaves");
    await screen.shows("$ ");
    await screen.type("stty size; echo 漢字$((40+2))\r");
    await screen.shows("25 90\r\n漢字42\r\n");
    await screen.type("echo sl''eeps; sleep 60\r");
    await screen.shows(/[\r\n]sleeps/);
    await screen.type("\x03");
    await screen.shows("^C");
    await screen.type("exit 7\r");
    await expectRestored(screen, 7);
    expect(server.queries[0]).not.toContain("newSession");
  });

  test("keeps what was typed ahead, and can be interrupted before it is connected", async () => {
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    let held = 0;
    await using server = new V1Server({
      hold: async (url) => {
        if (!url.pathname.endsWith("/terminal")) return;
        held += 1;
        await gate;
      },
    });
    await using given = await between("connect box", loggedIn(server.url));
    await until(() => held === 1, 5_000, "the first attempt");
    await given.type("\x03");
    await expectRestored(given, 130);
    await using screen = await between("connect box", loggedIn(server.url));
    await until(() => held === 2, 5_000, "the second attempt");
    await screen.type("echo ah''ead; exit 4\r");
    await screen.shows("exit 4");
    open();
    await screen.shows(/[\r\n]ahead\r\n/);
    await expectRestored(screen, 4);
  });

  test("follows the size of the window", async () => {
    await using server = new V1Server();
    await using screen = await Screen.rexec(["connect", "box"], loggedIn(server.url));
    await screen.shows("$ ");
    for (const cols of [70, 71, 72, 73, 74]) screen.pty.resize(cols, 40);
    await until(() => server.resizes.at(-1)?.join() === "74,40", 3_000, "the new size");
    expect(server.resizes.length).toBeLessThan(6);
    await screen.type("stty size\r");
    await screen.shows("40 74\r\n");
  });

  test("shows bytes as they are: a lone line feed does not return", async () => {
    await using server = new V1Server({
      shell: { file: "/bin/sh", args: ["-c", "stty raw -echo; printf 'a\\nb\\r\\nc'; sleep 60"] },
    });
    await using screen = await Screen.rexec(["connect", "box"], loggedIn(server.url));
    await screen.shows("a\nb\r\nc");
  });

  test("sends every byte but the leaving key, which leaves the shared shell running", async () => {
    await using server = new V1Server({
      shell: { file: "/bin/sh", args: ["-c", "stty raw -echo; echo up; exec cat >/dev/null"] },
    });
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("up");
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 0x1d));
    await screen.pty.write(bytes);
    await screen.pty.write(Buffer.from("\x1b[200~pasted \x1d\x1b[201~"));
    await screen.pty.write(Buffer.from("last\x1d"));
    await expectRestored(screen, 0);
    expect(Buffer.concat(server.input)).toEqual(
      Buffer.concat([bytes, Buffer.from("\x1b[200~pasted \x1d\x1b[201~last")]),
    );
    expect(screen.shown).toContain("left box; its shell lives on");
    expect(server.sessions.has("main")).toBe(true);
  });

  test("takes a paste of 2 MB whole", async () => {
    const size = 2_000_000;
    const counting = `stty raw -echo; echo up; head -c ${size} | sha256sum; sleep 60`;
    await using server = new V1Server({ shell: { file: "/bin/sh", args: ["-c", counting] } });
    await using screen = await Screen.rexec(["connect", "box"], loggedIn(server.url));
    await screen.shows("up");
    const paste = Buffer.alloc(size, "0123456789abcdef\r");
    await screen.pty.write(paste);
    await screen.shows(new Bun.CryptoHasher("sha256").update(paste).digest("hex"));
  }, 15_000);

  test("has a shell of its own with --new, and under its alias", async () => {
    await using server = new V1Server();
    await using screen = await between("ssh bo --new", loggedIn(server.url));
    await screen.shows("$ ");
    expect(server.queries[0]).toContain("newSession=true");
    expect([...server.sessions.keys()][0]).toStartWith("split-");
    await screen.type("kill -9 $$\r");
    await expectRestored(screen, 137);
  });

  test("says what to do where the shell cannot start, or the machine is offline or gone", async () => {
    await using server = new V1Server({
      agents: [agent("box"), agent("off", { id: "x", status: "offline" })],
    });
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("$ ");
    server.broadcast(encodeToViewer.shellError("main", "fork: no memory"));
    await expectRestored(screen, 255);
    expect(screen.shown).toContain("no shell: fork: no memory");
    await using other = await between("connect off", loggedIn(server.url));
    await expectRestored(other, 255);
    expect(other.shown).toContain("off is offline");
  });
});

describe("the terminal is as it was", () => {
  const fullScreen = "printf '\\033[?1049h\\033[?25l\\033[?1002hfu''ll'; sleep 60\r";
  const undone = ["\x1b[?1049l", "\x1b[?25h", "\x1b[?1002l"];

  test.each([
    ["SIGTERM", 143],
    ["SIGHUP", 129],
    ["SIGINT", 130],
  ] as const)("after %s under a full-screen program", async (signal, code) => {
    await using server = new V1Server();
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("$ ");
    await screen.type(fullScreen);
    await screen.shows("full");
    process.kill(await childOf(screen), signal);
    await expectRestored(screen, code);
    for (const mode of undone) expect(screen.shown).toContain(mode);
  });

  test("after Ctrl+] under a full-screen program", async () => {
    await using server = new V1Server();
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("$ ");
    await screen.type(fullScreen);
    await screen.shows("full");
    await screen.type("\x1d");
    await expectRestored(screen, 0);
    for (const mode of undone) expect(screen.shown).toContain(mode);
  });

  test("after a crash", async () => {
    using home = temporaryHome();
    const bomb = join(home.path, "bomb.ts");
    await Bun.write(bomb, 'process.once("SIGUSR2", () => { throw new Error("the sky fell"); });');
    await using server = new V1Server();
    const env = loggedIn(server.url, { BUN_OPTIONS: `--preload ${bomb}` });
    await using screen = await between("connect box", env);
    await screen.shows("$ ");
    process.kill(await childOf(screen), "SIGUSR2");
    await expectRestored(screen, 255);
    expect(screen.shown).toContain("the sky fell");
  });

  test("by a server that refuses the token, which stands in no address then either", async () => {
    const addresses: string[] = [];
    await using server = new V1Server({
      intercept: (request, url) => {
        addresses.push(request.url);
        return url.pathname.startsWith("/ws/") ? Response.json({ error: "no" }, { status: 401 }) : undefined;
      },
    });
    await using screen = await between("exec box -- true", loggedIn(server.url));
    await expectRestored(screen, 255);
    expect(addresses.some((address) => address.includes("/ws/"))).toBe(true);
    for (const address of addresses) expect(address).not.toMatch(/token=|rexec_/);
  });

  test("after the token was revoked meanwhile", async () => {
    let revoked = false;
    await using server = new V1Server({
      intercept: () => (revoked ? Response.json({ error: "token revoked" }, { status: 401 }) : undefined),
    });
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("$ ");
    revoked = true;
    for (const socket of server.sockets) socket.terminate();
    await expectRestored(screen, 255);
    expect(screen.shown).toContain("token revoked");
  });
});

describe("a lost connection", () => {
  test("is made again by itself, to the same shell, with the same viewer id", async () => {
    await using server = new V1Server();
    await using screen = await between("connect box --new", loggedIn(server.url));
    await screen.shows("$ ");
    await screen.type("kept=yes; echo re''ady\r");
    await screen.shows("ready");
    await server.kill();
    await screen.shows("trying again in");
    server.revive();
    await screen.shows("connected to box again", 15_000);
    await screen.type("echo still $kept\r");
    await screen.shows("still yes");
    expect(server.queries.length).toBe(2);
    expect(server.queries[1]).toBe(server.queries[0] ?? "");
    await screen.type("exit 5\r");
    await expectRestored(screen, 5);
  }, 25_000);

  test("can be left while it is being made again", async () => {
    await using server = new V1Server();
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("$ ");
    await server.kill();
    await screen.shows("trying again in");
    await screen.type("ignored\x1d");
    await expectRestored(screen, 0);
  });

  test("waits for an agent that has lost it too", async () => {
    const agents = [agent("box")];
    await using server = new V1Server({ agents });
    await using screen = await Screen.rexec(["connect", "box"], loggedIn(server.url));
    await screen.shows("$ ");
    server.broadcast(encodeToViewer.agentStatus("offline"));
    await screen.shows("box went offline; waiting for it");
    agents[0] = agent("box", { status: "offline" });
    for (const socket of server.sockets) socket.terminate();
    await screen.shows("box is offline; trying again");
    agents[0] = agent("box");
    await screen.shows("connected to box again", 15_000);
    server.broadcast(encodeToViewer.agentStatus("online"));
    await screen.shows("box is back");
  }, 25_000);

  test("ends where another connection has taken its place", async () => {
    await using server = new V1Server();
    await using screen = await between("connect box", loggedIn(server.url));
    await screen.shows("$ ");
    for (const socket of server.sockets) socket.close(4002, "replaced");
    await expectRestored(screen, 255);
    expect(screen.shown).toContain("taken over by another connection");
  });
});
