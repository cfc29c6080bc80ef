import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { agentSubCommands } from "../../src/commands/agent/index.ts";
import { environment, loggedIn, rexec, Screen, temporaryHome } from "../client/support/cli.ts";
import { binary } from "../support/binaries.ts";
import { AGENT_ID, type Manner, NASTY, RAW, refusing, WordsServer } from "./words-server.ts";

setDefaultTimeout(60_000);

const TOKEN = `rexec_${"cd".repeat(32)}`;
const fail = (status: number, body: unknown) => () => Response.json(body, { status });

/** Ways in which a server can say such words. */
const MANNERS: Record<string, Manner> = {
  "as names, and as an agent's refusal": { socket: refusing },
  "as the status of a machine": { online: false },
  "as an error in JSON": { api: fail(500, { error: NASTY, code: NASTY }) },
  "as the reason of a 403": { api: fail(403, { error: NASTY, code: NASTY }) },
  "as the reason of a 404": { api: fail(404, { error: NASTY, code: NASTY }) },
  "as text": { api: () => new Response(NASTY, { status: 502 }) },
  "as a page": { api: () => new Response(`<html><title>${NASTY}</title>`) },
  "as JSON of another shape": { api: fail(200, { [NASTY]: [{ [NASTY]: NASTY }] }) },
  "as the reason of a close": { socket: (socket) => socket.close(4002, NASTY.slice(0, 60)) },
  "by rexec.v1: as a shell that failed": {
    protocol: "rexec.v1",
    socket: (socket) => {
      socket.send(JSON.stringify({ type: "shell_error", data: { session_id: "", error: NASTY } }));
      socket.send(JSON.stringify({ type: "shell_error", data: { session_id: "main", error: NASTY } }));
      socket.close(1011, NASTY.slice(0, 60));
    },
  },
};

/** A line or more for each command that talks to a server; null for those that show nothing of anybody else's. */
const LINES: Record<string, readonly string[][] | null> = {
  login: [
    ["--token", TOKEN],
    ["--approve", "BCDF-GHJK"],
  ],
  logout: [["--revoke"]],
  use: null,
  passwd: [[]],
  factors: [["ls"], ["ls", "--json"], ["on"], ["codes"], ["off"]],
  browsers: [["ls"], ["ls", "--json"], ["end", "evil"], ["end", "22222222"], ["end", "--all"]],
  admin: [
    ["users", "ls"],
    ["users", "ls", "--json"],
    ["users", "add", "x", "--passwordless"],
    ["users", "invite"],
    ["users", "invite", "--json"],
    ["users", "invites", "--all"],
    ["users", "invites", "--all", "--json"],
    ["users", "uninvite", "evil"],
    ["users", "disable", "x"],
    ["users", "promote", NASTY],
    ["users", "rm", NASTY, "--yes", "--transfer-to", "x"],
    ["users", "reset-factors", NASTY],
  ],
  whoami: [[], ["--json"]],
  ls: [[], ["--json"], ["--tag", "none"]],
  connect: [
    ["--share", `rexec_share_${"cd".repeat(32)}`],
    ["box"],
    ["evil"],
    ["nothing-like-it"],
    ["box", "--session", "x"],
  ],
  exec: [
    ["box", "--", "true"],
    ["box", "--json", "--", "true"],
    ["evil", "--", "true"],
  ],
  sessions: [[], ["box"], ["--json"], ["evil"]],
  attach: [
    ["box", "main"],
    ["box", "evil"],
    ["box", "nothing"],
    ["evil", "main"],
  ],
  kill: [
    ["box", "main", "--yes"],
    ["box", "evil", "--yes"],
    ["box", `${NASTY}2`, "--yes"],
    ["box", "main"],
  ],
  share: [
    ["main", "--agent", "box"],
    ["main", "--agent", "box", "--json"],
    ["ls"],
    ["ls", "--json"],
    ["rm", NASTY],
  ],
  viewers: [[], ["box"], ["--json"]],
  control: [
    ["main", "take", "--agent", "box"],
    ["main", "take", "--agent", "box", "--viewer", "nothing"],
    ["evil", "free"],
  ],
  kick: [
    [NASTY, "--agent", "box", "--revoke"],
    ["nothing", "--agent", "box"],
  ],
  token: [
    ["create", "x"],
    ["create", "x", "--json"],
    ["ls", "--all"],
    ["ls", "--json"],
    ["revoke", `evil${NASTY}`],
  ],
  grant: [["ls"], ["ls", "--json"], ["add", "evil", "view", "--user", NASTY], ["rm", "evil"]],
  group: [["ls"], ["ls", "--json"], ["create", NASTY], ["add", NASTY, NASTY]],
  join: [
    ["create", "--for", NASTY],
    ["create", "--json"],
    ["ls", "--all"],
    ["ls", "--all", "--json"],
    ["rm", NASTY],
    ["rm", "22222222"],
    ["rm", "nothing"],
  ],
  accept: [["--all"], ["box"], ["evil"], ["nothing"]],
  rm: [["box", "--yes"], ["evil", "--yes"], ["box"], [`${NASTY}2`, "--yes"]],
  rename: [
    ["box", "web"],
    ["evil", "web"],
  ],
  tag: [["box"], ["box", "-old"], ["box", "+prod"], ["evil", "+prod"]],
  describe: [["box"], ["box", NASTY], ["evil"]],
  audit: [[], ["--json"], ["--jsonl"], ["--agent", "box"], ["--agent", "evil"], ["--user", NASTY]],
  recordings: [
    ["ls"],
    ["ls", "--json"],
    ["ls", "--agent", "evil"],
    ["play", "first"],
    ["play", "nothing"],
    ["play", "t"],
    ["download", "second-t", "-o", "/dev/null/no-folder"],
    ["rm", "first", "--yes"],
    ["rm", "first"],
    ["start", "box", "main"],
    ["stop", "box", "main"],
    ["start", "box", "evil"],
    ["policy"],
    ["policy", "--json"],
    ["policy", "--all", "always"],
    ["policy", "--agent", "evil", "always"],
    ["policy", "--user", NASTY, "unset"],
  ],
  serve: null,
  agent: null,
  completion: null,
};

/** Of the agent, which is registered at that server. */
const AGENT_LINES: Record<string, readonly string[][] | null> = {
  register: [["--force", "--token", TOKEN]],
  "refresh-token": [["--token", TOKEN]],
  unregister: [["--yes"], ["--yes", "--json"]],
  doctor: [[], ["--json"]],
  status: [[], ["--json"]],
  update: [["--check"], ["--check", "--json"], []],
  "auto-update": null,
  start: null,
  stop: [[]],
  restart: [[]],
  continue: [[]],
  install: null,
  uninstall: null,
  logs: [[]],
  completion: null,
  "self-test": null,
};

const AGENT_MANNERS = ["as names, and as an agent's refusal", "as an error in JSON", "as text", "as a page"];

/** The executables: they start sooner than the sources do. */
async function ran(program: "rexec" | "rexec-agent", words: readonly string[], env: Record<string, string>) {
  const child = Bun.spawn([binary(program), ...words], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  await child.exited;
  return { stdout, stderr };
}

function expectHarmless(said: string, what: string): void {
  expect({ what, raw: RAW.exec(said)?.[0] ?? null }).toEqual({ what, raw: null });
  expect({ what, forged: /^\W*FORGED.*$/m.exec(said)?.[0] ?? null }).toEqual({ what, forged: null });
}

/** Six at a time: each is a process. */
async function all<T>(items: readonly T[], one: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      for (let item = left.shift(); item !== undefined; item = left.shift()) await one(item);
    }),
  );
}

describe("what a hostile server says reaches a person as text", () => {
  test.each(Object.keys(MANNERS))("%s", async (title) => {
    await using server = new WordsServer(MANNERS[title] ?? {});
    let shown = 0;
    const lines = Object.entries(LINES).flatMap(([name, list]) =>
      (list ?? []).map((words) => [name, ...words]),
    );
    await all(lines, async (words) => {
      using home = temporaryHome();
      const env = loggedIn(server.url, { HOME: home.path, REXEC_LOG: "debug", NO_COLOR: "1" });
      const result = await ran("rexec", words, env);
      const said = result.stdout + result.stderr;
      expectHarmless(said, words.join(" "));
      if (said.includes("u202e")) shown += 1;
    });
    // They are not merely left out; of a shape that is none of ours nothing is repeated.
    if (!title.includes("shape")) expect(shown).toBeGreaterThan(2);
  });

  test("all commands are tried", async () => {
    const ran = await rexec(["--help"]);
    const help = /Commands:\n([\s\S]*?)\n\n/.exec(ran.stdout.toString())?.[1] ?? "";
    const names = [...help.matchAll(/^ {2}([\w-]+)/gm)].map((match) => match[1] ?? "");
    const known = [...Object.keys(LINES), "help", "version"];
    expect(names.filter((name) => !known.includes(name))).toEqual([]);
    expect(Object.keys(agentSubCommands).filter((name) => !(name in AGENT_LINES))).toEqual([]);
  });

  test("on a terminal, while a code waits for its approval", async () => {
    await using server = new WordsServer({});
    using home = temporaryHome();
    const env = environment({ HOME: home.path, REXEC_HOST: server.url });
    await using screen = await Screen.rexec(["login"], env);
    await screen.shows("Or give an API token for");
    await screen.type("\x03");
    await screen.shows("cancelled");
    expect(screen.shown).toContain("u202e");
    expect(screen.shown).not.toMatch(/\x1b\[2J|\x1b\]0;|[\x80-\x9f\u202e\u2028\u200b]|[\r\n] *FORGED/);
  });

  test("on a terminal, before and after the connection is there", async () => {
    await using server = new WordsServer({
      name: NASTY,
      socket: (socket, message) => {
        if (message?.type === "attach") socket.close(1001, NASTY.slice(0, 60));
      },
    });
    await using screen = await Screen.rexec(["connect", `box${NASTY.slice(0, 4)}`], loggedIn(server.url));
    await screen.shows("connecting to box");
    await screen.type("\x1d");
    await screen.shows("left box");
    expect(screen.shown).toContain("u202e");
    // Here our own sequences are raw: none of theirs is.
    expect(screen.shown).not.toMatch(/\x1b\[2J|\x1b\]0;|[\x80-\x9f\u202e\u2028\u200b]|[\r\n] *FORGED/);
  });
});

describe("what a hostile server says to a machine reaches its operator as text", () => {
  test.each(AGENT_MANNERS)("%s", async (title) => {
    await using server = new WordsServer(MANNERS[title] ?? {});
    let shown = 0;
    const lines = Object.entries(AGENT_LINES).flatMap(([name, list]) =>
      (list ?? []).map((words) => [name, ...words]),
    );
    await all(lines, async (words) => {
      using home = temporaryHome();
      const config = join(home.path, "agent.yaml");
      await Bun.write(config, `api_url: ${server.url}\nagent_id: ${AGENT_ID}\nname: x\ntoken: ${TOKEN}\n`);
      const env = environment({ HOME: home.path, REXEC_CONFIG: config, REXEC_LOG: "debug", NO_COLOR: "1" });
      const result = await ran("rexec-agent", words, env);
      const said = result.stdout + result.stderr;
      expectHarmless(said, words.join(" "));
      if (said.includes("u202e")) shown += 1;
    });
    expect(shown).toBeGreaterThan(0);
  });
});
