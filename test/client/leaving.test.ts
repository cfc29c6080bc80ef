import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { V2Gateway } from "../support/v2-gateway.ts";
import { V2Shell } from "../support/v2-shell.ts";
import { until } from "../support/wait.ts";
import { loggedIn, rexec, Screen } from "./support/cli.ts";
import { V1Server } from "./support/v1-server.ts";

setDefaultTimeout(15_000);

/** A shell that a viewer finds, and what was typed into it. */
function gatewayWithShell() {
  const shell = new V2Shell("main");
  shell.picture = { bytes: Buffer.from("ready$ "), skipped: 0 };
  const gateway = new V2Gateway();
  gateway.shells.set("main", shell);
  return { gateway, shell };
}

describe("the key that leaves", () => {
  test("typed twice reaches the program once, and the shell goes on", async () => {
    const { gateway, shell } = gatewayWithShell();
    await using _ = gateway;
    await using screen = await Screen.rexec(["connect", "box"], gateway.env);
    await screen.shows("ready$");
    await screen.type("a\x1d");
    await until(() => shell.typed === "a", 5_000, "what stood before it");
    await screen.type("\x1db");
    await until(() => shell.typed === "a\x1db", 5_000, "the key itself");
    await screen.type("\x1d");
    await screen.shows("left box; its shell lives on (rexec connect box)");
  });

  const others: [string, string[], Record<string, string>, string, string][] = [
    ["an option", ["--escape", "^a"], {}, "\x01", "Ctrl+A"],
    ["a variable", [], { REXEC_ESCAPE: "~" }, "~", "~"],
    ["an option before a variable", ["--escape=ctrl-t"], { REXEC_ESCAPE: "none" }, "\x14", "Ctrl+T"],
  ];
  test.each(others)("is another one by %s, and named so", async (_, words, extra, key, name) => {
    const { gateway, shell } = gatewayWithShell();
    await using _gateway = gateway;
    await using screen = await Screen.rexec(["connect", "box", ...words], { ...gateway.env, ...extra });
    await screen.shows(`${name} leaves`);
    await screen.shows("ready$");
    await screen.type("\x1d");
    await until(() => shell.typed === "\x1d", 5_000, "the usual key");
    gateway.broadcast({ type: "agent_status", status: "offline" });
    await screen.shows(`waiting for it (${name} leaves)`);
    await screen.type(key);
    await screen.shows("left box");
    expect(screen.shown).not.toContain("Ctrl+]");
  });

  test("can be none: nothing is said of one, and every key is the program's", async () => {
    const { gateway, shell } = gatewayWithShell();
    await using _ = gateway;
    await using screen = await Screen.rexec(["attach", "box", "main", "--escape", "none"], gateway.env);
    await screen.shows("ready$");
    await screen.type("\x1d~\x01");
    await until(() => shell.typed === "\x1d~\x01", 5_000, "all keys");
    gateway.broadcast({ type: "agent_status", status: "offline" });
    await screen.shows("waiting for it");
    expect(screen.shown).not.toContain("leaves");
  });

  test.each(["ab", "^[", ""])("cannot be %p: a usage error before anything is connected", async (text) => {
    const { gateway } = gatewayWithShell();
    await using _ = gateway;
    const ran = await rexec(["connect", "box", `--escape=${text}`], gateway.env);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(`--escape cannot be "${text}"`);
    expect(gateway.requests).toEqual([]);
  });
});

describe("leaving at a server of rexec.v1", () => {
  test("does not promise what its last viewer ends", async () => {
    await using server = new V1Server();
    await using screen = await Screen.rexec(["connect", "box"], loggedIn(server.url));
    await screen.shows("$ ");
    await screen.type("\x1d");
    await screen.shows("lives on only while another viewer is connected");
  });

  test("says that the shell lives on where the server lists it", async () => {
    const { info } = new V2Shell("main");
    await using server = new V1Server({
      intercept: (_, url) =>
        url.pathname.endsWith("/sessions") ? Response.json({ sessions: [info] }) : undefined,
    });
    await using screen = await Screen.rexec(["connect", "box"], loggedIn(server.url));
    await screen.shows("$ ");
    await screen.type("\x1d");
    await screen.shows("left box; its shell lives on (rexec connect box)");
  });
});
