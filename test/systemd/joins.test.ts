/** A machine with a real systemd that joins by a token: root's installer, the service, and a wait over a reboot. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import * as z from "zod/mini";
import { describeUnless } from "../support/needs.ts";
import { until } from "../support/wait.ts";
import { whyNoBox } from "./box.ts";
import { Machine, UNIT } from "./machine.ts";

const why = whyNoBox();
const CONFIG = "/etc/rexec/agent.yaml";

const created = z.object({ token: z.string() });
const listed = z.array(z.looseObject({ id: z.string(), name: z.string(), status: z.string() }));

describeUnless(why)("a machine that joins on a booted systemd", () => {
  let machine: Machine;
  let clean: string[];

  beforeAll(async () => {
    machine = await Machine.start();
    rmSync(machine.box.path("/usr/local/bin/rexec-agent"));
    clean = await machine.box.changedFiles();
  }, 240_000);
  afterAll(() => machine?.[Symbol.asyncDispose](), 60_000);

  async function api(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${machine.stack.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${machine.stack.token}`, "content-type": "application/json" },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return answer.json();
  }
  const agents = async (query = "") => listed.parse(await api("GET", `/api/agents${query}`));
  const join = async (wish: object) => created.parse(await api("POST", "/api/joins", wish)).token;
  const install = (token: string, words = "") =>
    machine.box.run(
      ["sh", "-c", `curl -fsSL ${machine.stack.url}/install-agent.sh | sh -s -- ${words}`],
      { REXEC_TOKEN: token },
      120_000,
    );

  test("is left as it was by a token that is used up, and by tags that the token does not give", async () => {
    const token = await join({ tags: ["dev"] });
    const refused = await install(token, "--name a --labels prod");
    expect(refused.err).toContain("this join token gives the tags dev alone");
    expect(refused.code).toBe(4);
    expect(await machine.box.changedFiles()).toEqual(clean);
    await api("POST", "/api/joins", {});
    const elsewhere = { method: "POST", headers: { authorization: `Bearer ${token}` } };
    await fetch(`${machine.stack.url}/api/agents/register`, { ...elsewhere, body: '{"name":"elsewhere"}' });
    const late = await install(token, "--name b");
    expect(late.err).toContain("this join token has registered its one machine");
    expect(await machine.box.changedFiles()).toEqual(clean);
    for (const { id } of await agents()) await api("DELETE", `/api/agents/${id}`);
  }, 180_000);

  test("waits as a service until it is accepted, over a reboot too, and its token is nowhere", async () => {
    const token = await join({ tags: ["prod"], approve: true });
    const { code, out, err } = await install(token, "--name waits");
    expect(err).not.toContain("error:");
    expect(out).toMatch(/installed: this machine waits to be accepted at \S+: rexec accept waits/);
    expect(code).toBe(0);
    const { box } = machine;
    expect(await box.show(UNIT, "ActiveState")).toBe("active");
    expect(await box.show(UNIT, "StatusText")).toContain("waits to be accepted");
    await box.reboot();
    await until(
      async () => (await box.show(UNIT, "StatusText")).includes("waits to be accepted"),
      60_000,
      "the service to wait again",
    );
    expect(await agents()).toEqual([]);
    const [waiting] = await agents("?pending=true");
    expect(waiting).toMatchObject({ name: "waits", tags: ["prod"] });
    await api("POST", `/api/agents/${waiting?.id}/accept`);
    await machine.online(15_000);
    expect(await machine.exec("id -u", "waits")).toBe("0");
    const secret = token.slice(20);
    expect(readFileSync(box.path(CONFIG), "utf8")).not.toContain(secret);
    expect(await box.must(["journalctl", "--no-pager"])).not.toContain(secret);
    const found = await box.run([
      "grep",
      "-rls",
      "-D",
      "skip",
      "--exclude-dir=journal",
      secret,
      "/etc",
      "/var",
      "/run",
      "/root",
      "/usr/local",
      "/home",
    ]);
    expect(found.out).toBe("");
  }, 300_000);

  test("is uninstalled without a trace", async () => {
    expect((await install("", "--uninstall")).code).toBe(0);
    expect(await machine.box.changedFiles()).toEqual(clean);
    expect(await agents()).toEqual([]);
  }, 120_000);
});
