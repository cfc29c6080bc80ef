import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { makeJoinToken, makeToken } from "../../../src/gateway/auth/token.ts";
import { Agents } from "../../../src/gateway/store/agents.ts";
import { Database } from "../../../src/gateway/store/database.ts";
import type { JoinWish } from "../../../src/gateway/store/joins.ts";
import { migrate } from "../../../src/gateway/store/migrate.ts";
import { MIGRATIONS } from "../../../src/gateway/store/migrations/index.ts";
import { openStore, type Store } from "../../../src/gateway/store/store.ts";

let folder: string;
let store: Store;
let userId: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "rexec-joins-"));
  store = await openStore(folder);
  userId = (await store.users.create({ username: "u", isAdmin: false })).id;
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
});

const LIMITS = { agents: 10, pending: 2 };

function wishOf(wish: Partial<JoinWish>): JoinWish {
  const expires_at = new Date(Date.now() + 60_000).toISOString();
  const usual = { description: "", tags: [], name_pattern: null, ephemeral: false, approve: false };
  return { ...usual, user_id: userId, max_uses: 1, expires_at, ...wish };
}

async function joinToken(wish: Partial<JoinWish> = {}) {
  const row = await store.joins.create(makeJoinToken(), wishOf(wish), 100);
  if (!row) throw new Error("no join token");
  return row;
}

function joining(tags: string[] = [], name = "box") {
  const words = { description: "", os: "", arch: "", shell: "", distro: "" };
  const details = { ...words, name, tags, ephemeral: false };
  return { details, token: makeToken(), tokenName: `agent: ${name}`, scopes: ["agent"] };
}

test("of many machines that come at the same moment, as many are registered as there are uses", async () => {
  const row = await joinToken({ max_uses: 3 });
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => store.joins.register(row, joining(), { ...LIMITS, agents: 100 })),
  );
  expect(answers.filter((answer) => typeof answer !== "string")).toHaveLength(3);
  expect(answers.filter((answer) => answer === "used_up")).toHaveLength(9);
  expect(await store.agents.listOfUser(userId)).toHaveLength(3);
  expect(await store.joins.get(row.id)).toMatchObject({ uses: 3 });
});

test("a machine that there is no room for takes no use", async () => {
  const row = await joinToken();
  expect(await store.joins.register(row, joining(), { ...LIMITS, agents: 0 })).toBe("agents");
  expect(await store.joins.get(row.id)).toMatchObject({ uses: 0, last_used_at: null });
  expect(await store.joins.register(row, joining(), LIMITS)).toMatchObject({ agent: { name: "box" } });
});

test("one that is revoked or expired registers nothing, also where it was read while it was valid", async () => {
  const revoked = await joinToken({ max_uses: null });
  await store.joins.revoke(revoked.id);
  expect(await store.joins.register(revoked, joining(), LIMITS)).toBe("revoked");
  const expired = await joinToken({ expires_at: new Date(Date.now() - 1).toISOString() });
  expect(await store.joins.register(expired, joining(), LIMITS)).toBe("expired");
  expect(await store.agents.listOfUser(userId)).toEqual([]);
});

test("its tags are put on the machine, and what the machine adds decides nothing", async () => {
  const row = await joinToken({ tags: ["prod", "eu"] });
  const answer = await store.joins.register(row, joining(["eu", "mine"]), LIMITS);
  if (typeof answer === "string") throw new Error(answer);
  const agent = await store.agents.get(answer.agent.id);
  expect(agent).toMatchObject({ tags: ["prod", "eu"], own_tags: ["mine"], joined_by: row.id });
});

test("machines that wait are in no list but their own, and there may only be so many", async () => {
  const row = await joinToken({ approve: true, max_uses: null });
  const first = await store.joins.register(row, joining(), LIMITS);
  if (typeof first === "string") throw new Error(first);
  await store.joins.register(row, joining([], "two"), LIMITS);
  expect(await store.joins.register(row, joining([], "three"), LIMITS)).toBe("pending");
  expect(await store.agents.listOfUser(userId)).toEqual([]);
  const waiting = await store.agents.listOfUser(userId, null, true);
  expect(waiting.map(({ name }) => name).sort()).toEqual(["box", "two"]);
  const both = [store.agents.accept(first.agent.id), store.agents.accept(first.agent.id)];
  expect((await Promise.all(both)).sort()).toEqual([false, true]);
  expect(await store.agents.listOfUser(userId)).toMatchObject([{ name: "box", pending: false }]);
  expect(await store.joins.register(row, joining([], "three"), LIMITS)).toMatchObject({ agent: {} });
});

test("a user may have so many, and of those that are of no use the oldest are forgotten", async () => {
  const { expires_at } = await joinToken();
  expect(await store.joins.create(makeJoinToken(), wishOf({}), 1)).toBeNull();
  const dead = wishOf({ expires_at: new Date(0).toISOString() });
  for (let index = 0; index < 210; index += 1) await store.joins.create(makeJoinToken(), dead, 2);
  const left = await store.joins.listOfUser(userId);
  // Those that stay, the one that is valid, and the one that was made last.
  expect(left).toHaveLength(202);
  expect(left[0]).toMatchObject({ expires_at });
});

test("a database of the build before keeps its agents: none waits, and their tags count", async () => {
  const file = join(folder, "before.db");
  const database = new Database(new SQL({ adapter: "sqlite", filename: file }), { singleConnection: true });
  await migrate(
    database,
    MIGRATIONS.filter(({ version }) => version <= 3),
  );
  const at = new Date().toISOString();
  const user = { id: "u", username: "u", email: "", name: "u", tier: "", is_admin: true, created_at: at };
  const words = { os: "", arch: "", shell: "", distro: "", description: "" };
  const agent = {
    id: "a",
    user_id: "u",
    name: "old",
    ...words,
    tags: '["prod"]',
    created_at: at,
    ephemeral: false,
  };
  await database.run((sql) => sql`INSERT INTO users ${sql(user)}`);
  await database.run((sql) => sql`INSERT INTO agents ${sql(agent)}`);
  await migrate(database);
  expect(await new Agents(database).listOfUser("u")).toMatchObject([
    { name: "old", tags: ["prod"], own_tags: [], pending: false, joined_by: null, name_pattern: null },
  ]);
  await database.close();
});
