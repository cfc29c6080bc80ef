/** Updates of an agent that systemd runs: one to a newer build, one to a broken one, and what is left of them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeUnless } from "../support/needs.ts";
import { whyNoBox } from "./box.ts";
import { Machine, UNIT } from "./machine.ts";
import { release } from "./release.ts";

const why = whyNoBox();

describeUnless(why)("an update under systemd", () => {
  const downloads = mkdtempSync(join(tmpdir(), "rexec-releases-"));
  let machine: Machine;
  let clean: string[];

  beforeAll(async () => {
    await release(downloads, "1.0.0");
    machine = await Machine.start({ isBare: true, downloads });
    clean = await machine.box.changedFiles();
    const { url, token } = machine.stack;
    const line = `curl -fsSL ${url}/install-agent.sh | sh -s -- --name box`;
    await machine.box.must(["sh", "-c", line], { REXEC_TOKEN: token }, 120_000);
    await machine.online();
  }, 300_000);
  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    rmSync(downloads, { recursive: true, force: true });
  }, 60_000);

  /** Of the agent that runs. */
  const version = async () => /Version: +(\S+)/.exec(await machine.box.must(["rexec-agent", "status"]))?.[1];
  const update = (...words: string[]) => machine.box.run(["rexec-agent", "update", ...words], {}, 180_000);

  test("brings a newer build, and the service runs it", async () => {
    expect(await version()).toBe("1.0.0");
    await release(downloads, "2.0.0");
    const { code, err } = await update();
    expect(err).toContain("signature and SHA-256 are right");
    expect(code).toBe(0);
    expect(await version()).toBe("2.0.0");
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
    expect(await machine.execOnceOnline("echo here")).toBe("here");
  }, 240_000);

  test("to a build that ends at its start is taken back, and the machine stays within reach", async () => {
    await release(downloads, "3.0.0", "test/systemd/broken-agent.ts");
    const { code, err } = await update("--wait", "5s");
    expect(err).toContain("the update to 3.0.0 was taken back");
    expect(code).toBe(1);
    expect(await machine.execOnceOnline("echo here")).toBe("here");
    expect(await version()).toBe("2.0.0");
    expect(await machine.box.show(UNIT, "ActiveState")).toBe("active");
    expect(await machine.box.must(["rexec-agent", "--version"])).toStartWith("rexec-agent 2.0.0 ");
  }, 240_000);

  test("and a boot finds the build that works", async () => {
    await machine.box.reboot();
    expect(await machine.execOnceOnline("echo back")).toBe("back");
    expect(await version()).toBe("2.0.0");
  }, 240_000);

  test("--uninstall leaves no file of the updates either", async () => {
    const line = `curl -fsSL ${machine.stack.url}/install-agent.sh | sh -s -- --uninstall`;
    expect(await machine.box.run(["sh", "-c", line], {}, 120_000)).toMatchObject({ code: 0 });
    expect(await machine.box.changedFiles()).toEqual(clean);
  }, 150_000);
});
