import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { testWith } from "../support/needs.ts";
import { Terminal } from "../support/terminal.ts";
import { World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world[Symbol.asyncDispose]());

/** A shell of its own on the box, at its prompt. */
async function shell(size: { cols?: number; rows?: number } = {}) {
  const terminal = world.terminal(["connect", "box", "--new"], size);
  await terminal.see(/[$#] $/);
  return terminal;
}

describe("rexec connect on a terminal", () => {
  test("shows a shell, and leaves with its exit code", async () => {
    await using terminal = await shell();
    await terminal.type("echo $((6*7)) $REXEC_AGENT $TERM\r");
    await terminal.see("42 1 xterm-256color");
    await terminal.type("exit 9\r");
    expect(await terminal.exit()).toEqual({ exitCode: 9, signal: null });
  });

  test("gives the shell this terminal's size, and every new one", async () => {
    await using terminal = await shell({ cols: 91, rows: 33 });
    await terminal.type("stty size\r");
    await terminal.see("33 91");
    await terminal.type("trap 'stty size' WINCH\r");
    terminal.resize(140, 50);
    await terminal.see("50 140");
  });

  testWith("vi")("runs a full-screen program: what vi writes is what was typed", async () => {
    await using terminal = await shell();
    const file = `${world.folder}/poem.txt`;
    await terminal.type(`vi ${file}\r`);
    await terminal.see("\x1b[?1049h");
    await terminal.type("iünï¢ødé 漢字 🎉\x1b");
    await terminal.see("🎉");
    await terminal.type(":wq\r");
    await terminal.see("\x1b[?1049l");
    await terminal.type(`cat ${file}; echo end\r`);
    await terminal.see(/ünï¢ødé 漢字 🎉\r\nend/);
  });

  test("Ctrl+] leaves, the shell lives on, and the next look finds it", async () => {
    const first = world.terminal(["connect", "box"]);
    await first.see(/[$#] $/);
    await first.type("kept=still-here\r");
    await first.see(/[$#] $/);
    await first.type("\x1d");
    expect((await first.exit()).exitCode).toBe(0);
    await using second = world.terminal(["connect", "box"]);
    await second.see(/kept=still-here[\s\S]*[$#] /);
    await second.type("echo got:$kept\r");
    await second.see("got:still-here");
    await second.type("exit\r");
    await second.exit();
  });

  test("leaves the terminal's modes as they were, also when it is killed by SIGTERM", async () => {
    for (const end of ["key", "signal"]) {
      await using around = new Terminal(["/bin/bash", "--norc"], {
        env: { ...world.stack.clientEnv, PS1: "near$ " },
      });
      await around.see("near$ ");
      await around.type(`stty -g > ${world.folder}/before\r`);
      await around.see("near$ ");
      await around.type(`${world.stack.paths.rexec} connect box --new & echo pid=$! ; fg\r`);
      const [, pid] = await around.see(/pid=(\d+)/);
      await around.see(/[$#] $/);
      if (end === "key") await around.type("\x1d");
      else process.kill(Number(pid), "SIGTERM");
      await around.see("near$ ");
      await around.type(`stty -g | cmp - ${world.folder}/before && echo same-$((1+1))-modes\r`);
      await around.see("same-2-modes");
    }
  });
});
