import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { agentSubCommands } from "../../src/commands/agent/index.ts";
import { binary } from "../support/binaries.ts";
import { testWith } from "../support/needs.ts";
import { Terminal } from "../support/terminal.ts";

/** The scripts of the executables, loaded by real shells; a person types, presses Tab and then Enter. */
const folder = mkdtempSync(join(tmpdir(), "rexec-completion-"));
const env = { HOME: folder, PATH: `${join(folder, "bin")}:${process.env.PATH}`, NO_COLOR: "1" };

beforeAll(() => {
  mkdirSync(join(folder, "bin"));
  mkdirSync(join(folder, "a folder"));
  writeFileSync(join(folder, "settings.yaml"), "");
  for (const program of ["rexec", "rexec-agent"] as const) {
    // In the program's place, one that shows the words that it was called with.
    const path = join(folder, "bin", program);
    writeFileSync(path, `#!/bin/sh\nprintf '%s' 'called:'; printf '<%s>' "$@"; echo\n`);
    chmodSync(path, 0o755);
    for (const shell of ["bash", "zsh", "fish"]) {
      const { stdout } = Bun.spawnSync([binary(program), "completion", shell], { env: {} });
      writeFileSync(join(folder, `${program}.${shell}`), stdout);
    }
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What is typed in front of Tab, and the words that the program then gets. */
const typed: [string, string][] = [
  ["rexec-agent regi", "<register>"],
  ["rexec-agent register --descr", "<register><--description>"],
  ["rexec-agent register -n box --fo", "<register><-n><box><--force>"],
  ["rexec-agent completion fi", "<completion><fish>"],
  ["rexec-agent --config x sta", "<--config><x><sta"],
  ["rexec-agent --config setti", "<--config><settings.yaml>"],
  ["rexec-agent start --config=setti", "<start><--config=settings.yaml>"],
  ["rexec conn", "<connect>"],
  ["rexec agent regi", "<agent><register>"],
  ["rexec agent start --max-s", "<agent><start><--max-sessions"],
  ["rexec help conn", "<help><connect>"],
  ["rexec exec box --time", "<exec><box><--timeout"],
  ["rexec serve --data a\\ fo", "<serve><--data><a folder"],
];

const shells: [string, [string, ...string[]], string][] = [
  ["bash", ["/usr/bin/env", "bash", "--norc", "--noprofile", "-i"], "PS1='ready> '"],
  ["zsh", ["/usr/bin/env", "zsh", "-f", "-i"], "PS1='ready> '; autoload -Uz compinit && compinit -u -D"],
];

describe.each(shells)("%s", (shell, command, setup) => {
  testWith(shell)("completes commands, options and files", async () => {
    await using terminal = new Terminal(command, { env, cwd: folder, cols: 200 });
    const load = ["rexec", "rexec-agent"].map((program) => `source ./${program}.${shell}`).join("; ");
    await terminal.type(`${setup}; ${load}; echo lo''aded\r`);
    await terminal.see("loaded");
    for (const [line, words] of typed) {
      await terminal.type(`${line}\t\r`);
      await terminal.see(`called:${words}`);
    }
  });
});

describe("fish", () => {
  const complete = (line: string) => {
    const load = ["rexec", "rexec-agent"].map((program) => `source ./${program}.fish`).join("; ");
    const { stdout, stderr } = Bun.spawnSync(
      ["fish", "--no-config", "-c", `${load}; complete -C "$argv[1]"`, line],
      {
        env,
        cwd: folder,
      },
    );
    expect(stderr.toString()).toBe("");
    return stdout
      .toString()
      .split("\n")
      .map((each) => each.split("\t")[0]);
  };

  testWith("fish")("completes commands, options and files", () => {
    expect(complete("rexec-agent regi")).toContain("register");
    expect(complete("rexec-agent register --descr")).toContain("--description");
    expect(complete("rexec-agent completion ")).toEqual(expect.arrayContaining(["bash", "fish", "zsh"]));
    expect(complete("rexec-agent --config setti")).toContain("settings.yaml");
    expect(complete("rexec-agent start --config=setti")).toContain("--config=settings.yaml");
    expect(complete("rexec agent --config x regi")).toContain("register");
    expect(complete("rexec help conn")).toContain("connect");
    expect(complete("rexec serve --data a")).toEqual(expect.arrayContaining(["a folder/"]));
    expect(complete("rexec exec box -- conn")).not.toContain("connect");
    expect(complete("rexec-agent register --token ")).toEqual([""]);
  });

  testWith("fish")("knows every command that there is", async () => {
    const commands = await Promise.all(Object.values(agentSubCommands).map((load) => load()));
    const metas = await Promise.all(
      commands.map(async ({ meta }) => (typeof meta === "function" ? meta() : meta)),
    );
    const names = metas.flatMap((meta) => (meta && !meta.hidden ? (meta.name ?? []) : []));
    expect(names).toContain("register");
    expect(complete("rexec-agent ")).toEqual(expect.arrayContaining(names));
    expect(complete("rexec agent ")).toEqual(expect.arrayContaining(names));
  });
});

test("refuses a shell that it does not know, as a usage error", () => {
  const { exitCode, stderr } = Bun.spawnSync([binary("rexec-agent"), "completion", "tcsh"], {
    stderr: "pipe",
  });
  expect(exitCode).toBe(2);
  expect(stderr.toString()).toContain("there is one for bash, zsh and fish");
});
