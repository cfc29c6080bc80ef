/**
 * What makes src/pty necessary. When a test here fails, something upstream has been fixed: good news, and the time
 * to see what of src/pty can go.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";

const root = join(import.meta.dir, "../..");

test("node-pty's own JavaScript still loses output under Bun (oven-sh/bun#25822)", async () => {
  const source = `
    const { spawn } = require("node-pty");
    let seen = "";
    const pty = spawn("/bin/sh", ["-c", "sleep 0.2; echo late; sleep 0.2; exit 3"], {});
    pty.onData((data) => { seen += data; });
    pty.onExit((exit) => setTimeout(() => { console.log(JSON.stringify({ seen, ...exit })); process.exit(); }, 100));
    setTimeout(() => { console.log("no exit"); process.exit(); }, 3000);`;
  const child = Bun.spawn([process.execPath, "-e", source], { cwd: root, stderr: "ignore" });
  const out = (await child.stdout.text()).trim();
  expect(out).not.toBe(JSON.stringify({ seen: "late\r\n", exitCode: 3, signal: 0 }));
});

test("Bun's own terminal still cannot be paused (oven-sh/bun#41410)", () => {
  expect("pause" in Bun.Terminal.prototype).toBe(false);
});
