/** SIGHUP at `rexec serve`: read the certificate again, unless it means that the terminal is gone. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { lacks, testUnless } from "../support/needs.ts";
import { within } from "../support/wait.ts";

testUnless(lacks("openssl"))(
  "without a terminal it reloads the certificate, and the gateway goes on",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-hangup-"));
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 9";
    Bun.spawnSync([...words.split(" "), "-keyout", key, "-out", cert], { stderr: "ignore" });
    const options = ["--port", "0", "--data", join(folder, "data"), "--tls-cert", cert, "--tls-key", key];
    const child = Bun.spawn([binary("rexec"), "serve", ...options], {
      env: { HOME: folder },
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
    });
    let log = "";
    let asked = 0;
    const read = async () => {
      for await (const chunk of child.stderr) {
        log += new TextDecoder().decode(chunk);
        if (asked === 0 && /listens on/.test(log)) child.kill("SIGHUP");
        if (/listens on/.test(log)) asked = Math.max(asked, 1);
        if (asked === 1 && /have not changed/.test(log)) {
          asked = 2;
          child.kill("SIGTERM");
        }
      }
    };
    await within(read(), 15_000, "the reload and the end");
    expect(log).toContain("SIGTERM: stopping");
    expect(await child.exited).toBe(0);
    rmSync(folder, { recursive: true });
  },
);

test("of a terminal that is closed it ends the gateway", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-hangup-"));
  let shown = "";
  const ready = Promise.withResolvers<void>();
  const child = Bun.spawn([binary("rexec"), "serve", "--port", "0", "--data", join(folder, "data")], {
    env: { HOME: folder },
    terminal: {
      data(_terminal, bytes) {
        shown += new TextDecoder().decode(bytes);
        if (/ready at/.test(shown)) ready.resolve();
      },
    },
  });
  await within(ready.promise, 15_000, "the gateway");
  // While the terminal is there it is a reload as anywhere else.
  child.kill("SIGHUP");
  const answer = await fetch(`${/ready at (http:\S+)/.exec(shown)?.[1]}/health`);
  expect(answer.status).toBe(200);
  child.terminal?.close();
  await within(child.exited, 10_000, "the end");
  rmSync(folder, { recursive: true });
});
