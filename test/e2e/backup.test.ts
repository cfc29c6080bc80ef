/** The data folder is lost, and a backup that was taken under load takes its place: nobody has to register anew. */
import { expect, test } from "bun:test";
import { readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { call } from "../support/gateway.ts";
import { until, within } from "../support/wait.ts";
import { World } from "./support.ts";

interface Made {
  agents: string[];
  tokens: string[];
  groups: string[];
}

test("a backup under load, restored in place of the lost data, has everything that was there before it", async () => {
  await using world = await World.start();
  const { stack } = world;
  const made: Made = { agents: [], tokens: [], groups: [] };
  let isDone = false;
  const api = async (path: string, body: object) => {
    const { status, json } = await call(stack.url, "POST", path, body, stack.token);
    expect([path, status]).toEqual([path, 201]);
    return json;
  };
  const load = async (name: string) => {
    for (let i = 0; !isDone && i < 900; i += 1) {
      const agent = { name: `${name}-${i}`, os: "linux", arch: "amd64", tags: ["load", "größe"] };
      made.agents.push((await api("/api/agents/register", agent)).id);
      made.tokens.push((await api("/api/tokens", { name: `${name}-${i}`, scopes: ["read"] })).token);
      if (i < 50) made.groups.push((await api("/api/groups", { name: `${name}-${i}` })).id);
    }
  };
  const policy = { kind: "all", mode: "always" };
  expect((await call(stack.url, "PUT", "/api/recording-policies", policy, stack.token)).status).toBeLessThan(
    300,
  );
  expect((await world.rexec(["exec", "box", "--", "echo", "kept-in-a-recording"])).code).toBe(0);
  const recordings = async () =>
    (await call(stack.url, "GET", "/api/recordings", undefined, stack.token)).json.recordings;
  const [recorded] = await until(
    async () => {
      const list = await recordings();
      return list.length > 0 && list[0].state === "complete" && list;
    },
    20_000,
    "the recording",
  );
  const writers = [load("one"), load("two"), load("three")];
  // Output passes all the while.
  const flood = world.rexec(["exec", "box", "--", "head", "-c", "200000000", "/dev/zero"], null, 60_000);
  await until(() => made.agents.length > 100, 20_000, "the load");
  const before: Made = structuredClone(made);
  const file = join(world.folder, "rexec.tar");
  const data = join(world.folder, "gateway");
  const backup = await world.rexec(["admin", "backup", file, "--with-recordings", "--data", data]);
  expect(backup).toMatchObject({ code: 0 });
  isDone = true;
  await Promise.all(writers);
  expect((await flood).stdout.length).toBe(200_000_000);
  expect(made.agents.length).toBeGreaterThan(before.agents.length);

  // The disk is gone, and with it the gateway.
  await stack.stopGateway("SIGKILL");
  renameSync(data, `${data}.lost`);
  const restored = await world.rexec(["admin", "restore", file, "--data", data]);
  expect(restored).toMatchObject({ code: 0 });
  expect(readdirSync(data).sort()).toEqual(["gateway.db", "gateway.lock", "recordings"]);
  await stack.startGateway();

  // The agent and the user come back with what they have.
  await until(() => world.isOnline(), 30_000, "the agent to be back");
  const ran = await world.rexec(["exec", "box", "--", "echo", "here"]);
  expect({ ...ran, stdout: ran.stdout.toString() }).toMatchObject({ code: 0, stdout: "here\n" });
  expect((await recordings()).map(({ id }: { id: string }) => id)).toContain(recorded.id);
  const cast = await call(stack.url, "GET", `/api/recordings/${recorded.id}/cast`, undefined, stack.token);
  expect(cast.text).toContain("kept-in-a-recording");
  const ids = new Set<string>();
  for (let path: string | undefined = "/api/agents?limit=500"; path; ) {
    const { json, headers } = await call(stack.url, "GET", path, undefined, stack.token);
    for (const { id } of json) ids.add(id);
    path = /<([^>]+)>; rel="next"/.exec(headers.get("link") ?? "")?.[1];
  }
  expect(before.agents.filter((id) => !ids.has(id))).toEqual([]);
  const { json } = await call(stack.url, "GET", "/api/groups", undefined, stack.token);
  const groups = new Set(json.groups.map(({ id }: { id: string }) => id));
  expect(before.groups.filter((id) => !groups.has(id))).toEqual([]);
  const answers = await within(
    Promise.all(before.tokens.map((token) => call(stack.url, "GET", "/api/profile", undefined, token))),
    20_000,
    "all tokens",
  );
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect((await world.rexec(["admin", "restore", file, "--data", data])).stderr).toContain(
    "has a gateway's data",
  );
}, 120_000);
