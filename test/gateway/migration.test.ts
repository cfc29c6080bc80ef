/** A data folder of an earlier build: today's build opens it with everything there, and only once changes it. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MIGRATIONS } from "../../src/gateway/store/migrations/index.ts";
import { openStore } from "../../src/gateway/store/store.ts";
import { startAgent } from "../support/agent.ts";
import { startGateway } from "../support/gateway.ts";
import { until } from "../support/wait.ts";

const SQL = readFileSync(join(import.meta.dir, "schema-3.sql"), "utf8");
const TOKENS = Object.fromEntries(
  [...SQL.matchAll(/^-- token (\w+) (\S+)$/gm)].map((found) => found.slice(1)),
);
const TABLES = ["users", "agents", "tokens"];

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "rexec-migration-"));
  const database = new Database(join(dataDir, "gateway.db"), { create: true });
  database.run("PRAGMA journal_mode = WAL");
  database.run(SQL);
  database.close();
});
afterEach(() => rmSync(dataDir, { recursive: true, force: true }));

/** All rows, table by table, with the columns that the earlier build had. */
function content(columns?: Record<string, string[]>): Record<string, Record<string, unknown>[]> {
  const database = new Database(join(dataDir, "gateway.db"), { readonly: true });
  try {
    return Object.fromEntries(
      TABLES.map((table) => {
        const picked = columns?.[table]?.join(", ") ?? "*";
        return [
          table,
          database.query<Record<string, unknown>, []>(`SELECT ${picked} FROM ${table} ORDER BY id`).all(),
        ];
      }),
    );
  } finally {
    database.close();
  }
}

test("every row of the build before is there after the migrations, and nothing is applied twice", async () => {
  const before = content();
  const columns = Object.fromEntries(
    Object.entries(before).map(([table, rows]) => [table, Object.keys(rows[0] ?? {})]),
  );
  expect(before).toMatchObject({ users: { length: 2 }, agents: { length: 4 }, tokens: { length: 11 } });
  for (let time = 0; time < 2; time += 1) {
    await (await openStore(dataDir)).close();
    expect(content(columns)).toEqual(before);
    const database = new Database(join(dataDir, "gateway.db"), { readonly: true });
    const versions = database.query("SELECT version FROM schema_migrations ORDER BY version").values().flat();
    const integrity = database.query("PRAGMA integrity_check").values().flat();
    const orphans = database.query("PRAGMA foreign_key_check").values();
    database.close();
    expect(versions).toEqual(MIGRATIONS.map(({ version }) => version));
    expect({ integrity, orphans }).toEqual({ integrity: ["ok"], orphans: [] });
  }
});

test("tokens, agents and lists answer as they did", async () => {
  await using gateway = await startGateway({ dataDir });
  expect(gateway.gateway.adminToken).toBeNull();
  const names = async (token: string | undefined) => {
    const { status, json } = await gateway.api("GET", "/api/agents", undefined, token ?? "");
    return status === 200 ? json.map(({ name }: { name: string }) => name) : status;
  };
  const all = ["web-1", "Büro ' \" ; -- 机器 🚀", "ci-42"];
  // An administrator sees the agents of every user since then.
  expect(await names(TOKENS.admin)).toEqual([...all, "theirs"]);
  for (const who of ["user", "read", "both"]) expect(await names(TOKENS[who])).toEqual(all);
  expect(await names(TOKENS.web)).toEqual(["web-1"]);
  expect(await names(TOKENS.stranger)).toEqual(["theirs"]);
  expect(await names(TOKENS.revoked)).toBe(401);
  const { json: me } = await gateway.api("GET", "/api/profile", undefined, TOKENS.admin);
  expect(me).toMatchObject({ user: { username: "admin", name: "Administrator", is_admin: true } });
  const { json: tokens } = await gateway.api("GET", "/api/tokens", undefined, TOKENS.admin);
  expect(tokens.tokens).toHaveLength(9);
  const { json: agents } = await gateway.api("GET", "/api/agents", undefined, TOKENS.admin);
  expect(agents[0]).toMatchObject({
    distro: "debian",
    tags: ["prod", "web"],
    status: "offline",
  });
  expect(agents[0].system_info.hostname).toBe("vm");
  expect(agents[1]).toMatchObject({ description: "line one\nline two", tags: ["größe", "a=b"] });
});

test("an agent of before connects with the token that it has", async () => {
  await using gateway = await startGateway({ dataDir });
  const { json: agents } = await gateway.api("GET", "/api/agents", undefined, TOKENS.admin);
  await using _agent = startAgent({ host: gateway.url, token: TOKENS.web ?? "", agentId: agents[0].id });
  await until(
    async () => {
      const { json } = await gateway.api("GET", `/api/agents/${agents[0].id}`, undefined, TOKENS.admin);
      return json.status === "online";
    },
    10_000,
    "the agent to be online",
  );
});
