import { describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { isTerminal } from "../../src/lib/is-terminal.ts";
import { until } from "../support/wait.ts";

const MODULE = join(import.meta.dir, "../../src/lib/is-terminal.ts");

describe("isTerminal", () => {
  test.each(["/dev/null", "/dev/zero", "/proc/self/status", "/"])("does not take %s for one", (path) => {
    const fd = openSync(path, "r");
    try {
      expect(isTerminal(fd)).toBe(false);
    } finally {
      closeSync(fd);
    }
  });

  test("takes a descriptor that is closed for none", () => {
    const fd = openSync("/dev/null", "r");
    closeSync(fd);
    expect(isTerminal(fd)).toBe(false);
  });

  test("tells a terminal from a pipe, in a process that has both", async () => {
    const program = `import { isTerminal } from ${JSON.stringify(MODULE)}; process.stderr.write([0, 1, 2].map(isTerminal).join());`;
    let shown = "";
    const data = (_: unknown, bytes: Uint8Array) => {
      shown += Buffer.from(bytes).toString();
    };
    const all = Bun.spawn([process.execPath, "-e", program], { terminal: { cols: 80, rows: 24, data } });
    await all.exited;
    await until(
      () => shown === "true,true,true",
      5_000,
      () => `three terminals, not "${shown}"`,
    );
    const none = Bun.spawn([process.execPath, "-e", program], { stdio: ["ignore", "pipe", "pipe"] });
    expect(await none.stderr.text()).toBe("false,false,false");
  });
});
