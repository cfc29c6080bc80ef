import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { Terminal } from "../support/terminal.ts";
import { AGENT, TOKEN, V2Gateway } from "../support/v2-gateway.ts";
import { V2Shell } from "../support/v2-shell.ts";

setDefaultTimeout(30_000);

/** Names of machines that must run nothing, whatever completes them. */
const HOSTILE = [
  "web$(touch pwned)",
  "web`touch pwned`",
  "web;touch pwned",
  "web\nx",
  "web\x1b[2J",
  "-web",
  "web'\"",
  "web\u202e",
];
const folder = mkdtempSync(join(tmpdir(), "rexec-names-"));
let gateway: V2Gateway;
let hanging = false;

beforeAll(() => {
  const machine = (name: string, id: string, tags: string[] = []) => ({ ...AGENT, name, id, tags });
  gateway = new V2Gateway({
    agents: [
      machine("web-1", AGENT.id, ["production"]),
      machine("database", "22222222-2222-4333-8444-555555555555", ["storage", "production"]),
      machine("two words", "33333333-2222-4333-8444-555555555555"),
      ...HOSTILE.map((name, index) => machine(name, `4444444${index}-2222-4333-8444-555555555555`)),
    ],
    intercept: () => (hanging ? new Response(new ReadableStream({})) : undefined),
  });
  for (const name of ["main", "deploy"]) gateway.shells.set(name, new V2Shell(name));
  mkdirSync(join(folder, "bin"));
  // Completes as the program does, and shows the words that it was called with.
  const path = join(folder, "bin", "rexec");
  const shown = `printf '%s' 'called:'; printf '<%s>' "$@"; echo`;
  writeFileSync(path, `#!/bin/sh\n[ "$1" = complete ] && exec ${binary("rexec")} "$@"\n${shown}\n`);
  chmodSync(path, 0o755);
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout } = Bun.spawnSync([binary("rexec"), "completion", shell], { env: {} });
    writeFileSync(join(folder, `rexec.${shell}`), stdout);
  }
  mkdirSync(join(folder, ".rexec"));
  const hosts = { [gateway.url]: { token: TOKEN }, "https://staging.example.com": { token: TOKEN } };
  writeFileSync(join(folder, ".rexec/credentials.json"), JSON.stringify({ current: gateway.url, hosts }), {
    mode: 0o600,
  });
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const env = () => ({ HOME: folder, PATH: `${join(folder, "bin")}:${process.env.PATH}`, NO_COLOR: "1" });

/** What is typed in front of Tab, and the words that the program then gets. */
const typed: [string, string][] = [
  ["rexec connect data", "<connect><database>"],
  ["rexec exec data", "<exec><database>"],
  ["rexec connect two", "<connect><two words>"],
  ["rexec attach web-1 dep", "<attach><web-1><deploy>"],
  ["rexec kill web-1 ma", "<kill><web-1><main>"],
  ["rexec connect web-1 --session dep", "<connect><web-1><--session><deploy>"],
  ["rexec ls --tag stor", "<ls><--tag><storage>"],
  ["rexec use stag", "<use><staging.example.com>"],
  ["rexec ls --host stag", "<ls><--host><staging.example.com>"],
];

const shells: [string, [string, ...string[]], string][] = [
  ["bash", ["/usr/bin/env", "bash", "--norc", "--noprofile", "-i"], "PS1='ready> '"],
  ["zsh", ["/usr/bin/env", "zsh", "-f", "-i"], "PS1='ready> '; autoload -Uz compinit && compinit -u -D"],
];

describe.each(shells)("%s", (shell, command, setup) => {
  const missing = Bun.which(shell) ? "" : " (SKIPPED: it is not installed)";
  test.skipIf(missing !== "")(`completes names that only the server knows${missing}`, async () => {
    await using terminal = new Terminal(command, { env: env(), cwd: folder, cols: 200 });
    await terminal.type(`${setup}; source ./rexec.${shell}; echo lo''aded\r`);
    await terminal.see("loaded");
    for (const [line, words] of typed) {
      await terminal.type(`${line}\t\r`);
      await terminal.see(`called:${words}`);
    }
    // All that begin alike, hostile ones too.
    await terminal.type("rexec connect web\t\t");
    await terminal.type("\x15echo af''ter\r");
    await terminal.see("after");
    expect(existsSync(join(folder, "pwned"))).toBe(false);
  });
});

describe("fish", () => {
  const missing = Bun.which("fish") ? "" : " (SKIPPED: it is not installed)";
  test.skipIf(missing !== "")(`completes names that only the server knows${missing}`, async () => {
    for (const [line, words] of typed) {
      const child = Bun.spawn(
        ["fish", "--no-config", "-c", `source ./rexec.fish; complete -C "$argv[1]"`, line],
        {
          env: env(),
          cwd: folder,
          stdout: "pipe",
        },
      );
      const last = words.slice(words.lastIndexOf("<") + 1, -1);
      expect(await child.stdout.text()).toContain(last);
    }
    expect(existsSync(join(folder, "pwned"))).toBe(false);
  });
});

/** As a script asks. */
async function asked(words: readonly string[], extra: Record<string, string> = {}) {
  const child = Bun.spawn([binary("rexec"), "complete", ...words], {
    env: { ...env(), ...extra },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { names: stdout.split("\n").filter(Boolean), stderr, code: await child.exited };
}

describe("asking for names", () => {
  test("gives none that a shell would have to be careful with", async () => {
    const { names, stderr } = await asked(["machine", "--", "connect"]);
    expect(names).toEqual(["database", "two words", "web-1"]);
    expect(stderr).toBe("");
  });

  test("remembers them for a moment, for their reader alone", async () => {
    const cache = join(folder, "cache");
    const before = gateway.requests.length;
    for (let round = 0; round < 3; round += 1) {
      const { names } = await asked(["tag", "--", "ls", "--tag"], { XDG_CACHE_HOME: cache });
      expect(names).toEqual(["production", "storage"]);
    }
    expect(gateway.requests.length - before).toBe(1);
    expect(statSync(join(cache, "rexec/names.json")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(cache, "rexec/names.json"), "utf8")).not.toContain(TOKEN);
    // Of another account there are others.
    const other = await asked(["tag", "--", "ls"], { XDG_CACHE_HOME: cache, REXEC_TOKEN: "another" });
    expect(other.names).toEqual([]);
  });

  const silent: [string, string[], Record<string, string>][] = [
    ["a server that refuses connections", ["machine", "--", "connect"], { REXEC_HOST: "http://127.0.0.1:1" }],
    ["no login", ["machine", "--", "connect"], { HOME: "/nonexistent" }],
    ["a machine that there is not", ["session", "--", "attach", "nothing"], {}],
    ["no words", ["session"], {}],
  ];
  test.each(silent)("says nothing about %s", async (_, words, extra) => {
    expect(await asked(words, { XDG_CACHE_HOME: "/proc/none", ...extra })).toEqual({
      names: [],
      stderr: "",
      code: 0,
    });
  });

  test("reads what was typed as far as it makes sense, and needs no place to remember", async () => {
    const { names } = await asked(["session", "--", "connect", "--bogus", "web-1", "--session"], {
      XDG_CACHE_HOME: "/proc/none",
    });
    expect(names).toEqual(["main", "deploy"]);
  });

  test("gives up on a server that does not answer", async () => {
    hanging = true;
    const begun = performance.now();
    const { names, stderr, code } = await asked(["machine", "--", "connect"], {
      XDG_CACHE_HOME: join(folder, "none"),
    });
    hanging = false;
    expect({ names, stderr, code }).toEqual({ names: [], stderr: "", code: 0 });
    expect(performance.now() - begun).toBeLessThan(4_000);
  });
});
