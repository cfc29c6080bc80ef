import { describe, expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPty } from "../../../src/pty/open.ts";
import { testWith, tool } from "../../support/needs.ts";
import { ReferenceTerminal } from "../../support/reference-terminal.ts";
import { type V2Stage, v2Stage } from "../../support/v2-stage.ts";
import type { V2Viewer } from "../../support/v2-viewer.ts";
import { until } from "../../support/wait.ts";

const SIZE = { cols: 100, rows: 30 };

/** A real program on a real PTY behind the scripted agent, and a terminal that sees every byte of it. */
async function onStage(here: V2Stage, file: string, args: string[], cwd: string) {
  const env = { ...process.env, TERM: "xterm-256color", HOME: cwd, TMUX_TMPDIR: cwd, LANG: "C.UTF-8" };
  const set = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const pty = openPty({ file, args, env: Object.fromEntries(set), cwd, ...SIZE });
  const all = new ReferenceTerminal(SIZE);
  Object.assign(here.agent.shell("main"), SIZE);
  let bytes = 0;
  let last = performance.now();
  const pump = async () => {
    for (let chunk = await pty.read(); chunk; chunk = await pty.read()) {
      const copy = Uint8Array.from(chunk);
      bytes += copy.length;
      last = performance.now();
      await here.agent.write("main", copy);
      await all.write(copy);
    }
  };
  const pumping = pump();
  return {
    all,
    type: (text: string) => pty.write(Buffer.from(text)),
    written: () => bytes,
    quiet: () => until(() => bytes > 0 && performance.now() - last > 300, 20_000, `${file} to be quiet`),
    async [Symbol.asyncDispose]() {
      await pty.close(500);
      await pumping;
    },
  };
}

/** The viewer's screen, and the live bytes after it, in a terminal of its own. */
async function shown(viewer: V2Viewer): Promise<ReferenceTerminal> {
  const screen = await until(() => viewer.screens.at(-1), 5_000, "a screen");
  const terminal = new ReferenceTerminal({ cols: screen.cols, rows: screen.rows });
  await terminal.write(screen.data);
  await terminal.write(Buffer.concat(viewer.pieces));
  return terminal;
}

function workshop() {
  const folder = mkdtempSync(join(tmpdir(), "rexec-programs-"));
  const lines = Array.from(
    { length: 4000 },
    (_, n) => `static int fn_${n}(char *s) { return "ä漢字🙂"[${n}]; } // ${n}`,
  );
  writeFileSync(join(folder, "big.c"), lines.join("\n"));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}

const programs = [
  {
    name: "vim",
    needed: [],
    args: ["-u", "NONE", "-N", "+set mouse=a", "+syntax on", "big.c"],
    keys: "\x06\x06\x02",
    leave: ":q!\r",
  },
  { name: "less", needed: [], args: ["big.c"], keys: "  b", leave: "q" },
  { name: "htop", needed: [], args: ["-d", "1"], keys: "", leave: "q" },
  {
    name: "tmux",
    needed: ["top"],
    args: ["-L", `rexec-${process.pid}`, "-f", "/dev/null", "new", "top -d 0.2"],
    keys: "",
    leave: "q",
  },
] as const;

describe("a viewer that comes while a real program has the screen sees it as it is", () => {
  for (const { name, needed, args, keys, leave } of programs) {
    const file = tool(name);
    testWith(name, ...needed)(
      name,
      async () => {
        using work = workshop();
        await using here = await v2Stage();
        await using first = here.viewer({ keeps: false });
        await using program = await onStage(here, file ?? "", [...args], work.folder);
        await program.all.settled(() => program.all.terminal.buffer.active.type === "alternate");
        await first.attach();
        // Redraws: megabytes of them where keys make the program draw.
        for (let round = 0; round < (keys ? 400 : 1); round += 1) {
          await program.type(keys);
          const from = program.written();
          await until(() => !keys || program.written() > from, 5_000, "it to draw");
        }
        if (keys) {
          await program.quiet();
          expect(program.written()).toBeGreaterThan(500_000);
          await using late = here.viewer();
          await late.attach();
          expect((await shown(late)).picture()).toBe(program.all.picture());
        } else {
          // It never rests: the live bytes have to bring the snapshot along to where the other one is.
          await using late = here.viewer();
          await late.attach();
          await until(() => late.received > 2_000, 10_000, "it to have drawn itself anew a few times");
          const terminal = await shown(late);
          expect(terminal.terminal.buffer.active.type).toBe("alternate");
          expect(terminal.terminal.modes).toEqual(program.all.terminal.modes);
          const text = terminal.terminal.buffer.active.getLine(SIZE.rows - 1)?.translateToString(true) ?? "";
          const same =
            program.all.terminal.buffer.active.getLine(SIZE.rows - 1)?.translateToString(true) ?? "";
          expect(text.slice(0, 20)).toBe(same.slice(0, 20));
        }
        await program.type(leave);
      },
      60_000,
    );
  }
});
