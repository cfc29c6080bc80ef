/** TERM and COLORTERM of a shell, from `rexec connect` through the gateway to the agent. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { World } from "./support.ts";

let world: World;
beforeAll(async () => {
  world = new World({ env: { COLORTERM: "of-the-agent" } });
  const known = join(world.folder, ".terminfo", "t");
  mkdirSync(known, { recursive: true });
  writeFileSync(join(known, "tmux-known"), "");
  await world.stack.startGateway();
  await world.stack.register("box");
  await world.stack.startAgent();
});
afterAll(() => world[Symbol.asyncDispose]());

async function seenBy(env: Record<string, string | undefined>, session = "--new"): Promise<string> {
  await using terminal = world.terminal(["connect", "box", session], {
    env: { COLORTERM: undefined, ...env },
  });
  await terminal.see(/[$#] /); // behind the prompt of a session that was there a cursor is set
  await terminal.type('echo "<$TERM|$COLORTERM>"\r');
  const [, shown = ""] = await terminal.see(/[\r\n]<([^$>]*)>/);
  return shown;
}

describe("a shell", () => {
  test("is given the viewer's terminal where the machine knows it", async () => {
    expect(await seenBy({ TERM: "tmux-known", COLORTERM: "truecolor" })).toBe("tmux-known|truecolor");
  });

  test("is given the usual one where it does not, and no colours of the agent's own terminal", async () => {
    expect(await seenBy({ TERM: "xterm-unheard-of" })).toBe("xterm-256color|");
    expect(await seenBy({ TERM: "../../etc/x", COLORTERM: "24bit" })).toBe("xterm-256color|24bit");
  });

  test("keeps the one that it was started for", async () => {
    expect(await seenBy({ TERM: "tmux-known" }, "--session=kept")).toBe("tmux-known|");
    expect(await seenBy({ TERM: "xterm" }, "--session=kept")).toBe("tmux-known|");
  });

  test("on a dumb terminal begins with a warning", async () => {
    await using terminal = world.terminal(["connect", "box", "--new"], { env: { TERM: "dumb" } });
    await terminal.see("TERM is dumb here");
    await terminal.see(/[$#] $/);
    await terminal.type("echo =$TERM=\r");
    await terminal.see("=dumb=");
  });
});
