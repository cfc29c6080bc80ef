/** The service on a machine with a real systemd, with the built executables, against a live gateway. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Stack } from "../../scripts/stack.ts";
import { binary } from "../support/binaries.ts";
import { until } from "../support/wait.ts";
import { Box, whyNoBox } from "./box.ts";

const why = whyNoBox();
const UNIT = "rexec-agent.service";

if (why !== null) test.skip(`a booted systemd: SKIPPED, ${why}`, () => {});

describe.skipIf(why !== null)("the service on a booted systemd", () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-systemd-"));
  let stack: Stack;
  let box: Box;

  beforeAll(async () => {
    stack = new Stack({ rexec: binary("rexec"), agent: binary("rexec-agent"), folder });
    [box] = await Promise.all([Box.boot(), stack.startGateway()]);
    copyFileSync(binary("rexec-agent"), box.path("/usr/local/bin/rexec-agent"));
  }, 180_000);

  afterAll(async () => {
    await box?.[Symbol.asyncDispose]();
    await stack?.stop();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  const online = async () => {
    const headers = { authorization: `Bearer ${stack.token}` };
    const agents: unknown = await (await fetch(`${stack.url}/api/agents`, { headers })).json();
    return JSON.stringify(agents).includes('"status":"online"');
  };

  test("is refused to a machine that is not registered", async () => {
    const { code, err } = await box.run(["rexec-agent", "install"]);
    expect(err).toContain("hint: register it first");
    expect(code).toBe(3);
  });

  test("is installed, started and connected", async () => {
    await box.must(["rexec-agent", "register", "--name", "box", "--host", stack.url], {
      REXEC_TOKEN: stack.token,
    });
    const { code, err } = await box.run(["rexec-agent", "install"]);
    expect(err).toContain(`wrote /etc/systemd/system/${UNIT}`);
    expect(code).toBe(0);
    expect(await box.show(UNIT, "ActiveState")).toBe("active");
    expect(await box.show(UNIT, "StatusText")).toStartWith("connected to ");
    await until(online, 10_000, "the gateway to have it online");
  }, 60_000);
});
