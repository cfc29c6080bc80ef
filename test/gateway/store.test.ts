import { describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { newAdminToken } from "../../src/gateway/gateway.ts";
import { Database } from "../../src/gateway/store/database.ts";
import { migrate, schemaVersion } from "../../src/gateway/store/migrate.ts";
import { MIGRATIONS } from "../../src/gateway/store/migrations/index.ts";
import { openStore } from "../../src/gateway/store/store.ts";
import { startGateway } from "../support/gateway.ts";

function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), "rexec-store-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

function memory(): Database {
  return new Database(new SQL({ adapter: "sqlite", filename: ":memory:" }), { singleConnection: true });
}

describe("the data folder", () => {
  test("is private, and so are its files", async () => {
    using folder = temporaryFolder();
    const data = join(folder.path, "deep", "data");
    const store = await openStore(data);
    await store.users.create({ username: "a", isAdmin: true });
    expect(statSync(data).mode & 0o777).toBe(0o700);
    for (const name of new Bun.Glob("*").scanSync(data)) {
      expect([name, statSync(join(data, name)).mode & 0o777]).toEqual([name, 0o600]);
    }
    await store.close();
  });

  test("that was there before keeps its mode, its files are made private, and others are warned of", async () => {
    using folder = temporaryFolder();
    chmodSync(folder.path, 0o755);
    writeFileSync(join(folder.path, "gateway.db"), "", { mode: 0o644 });
    const store = await openStore(folder.path);
    expect(store.othersCanRead).toBe(true);
    expect(statSync(folder.path).mode & 0o777).toBe(0o755);
    expect(statSync(join(folder.path, "gateway.db")).mode & 0o777).toBe(0o600);
    await store.close();
  });

  test("in use by another gateway is refused, and free again once that one stopped", async () => {
    using folder = temporaryFolder();
    const first = await openStore(folder.path);
    expect(openStore(folder.path)).rejects.toMatchObject({ code: "data_folder_in_use" });
    await first.close();
    await (await openStore(folder.path)).close();
  });

  test("in use by a process that was killed is free at once", async () => {
    using folder = temporaryFolder();
    const script = `
      import { openStore } from ${JSON.stringify(join(import.meta.dir, "../../src/gateway/store/store.ts"))};
      await openStore(${JSON.stringify(folder.path)});
      console.log("open");
      setInterval(() => {}, 1000);`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    const reader = child.stdout.getReader();
    await reader.read();
    expect(openStore(folder.path)).rejects.toMatchObject({ code: "data_folder_in_use" });
    child.kill("SIGKILL");
    await child.exited;
    await (await openStore(folder.path)).close();
  });

  test.each([
    ["a file in its place", (path: string) => writeFileSync(path, "")],
    [
      "a damaged database",
      (path: string) => {
        mkdirSync(path);
        writeFileSync(join(path, "gateway.db"), "no database ".repeat(1_000));
      },
    ],
    [
      "a folder in place of the database",
      (path: string) => mkdirSync(join(path, "gateway.db"), { recursive: true }),
    ],
  ])("with %s is a clear error", async (_what, spoil) => {
    using folder = temporaryFolder();
    const data = join(folder.path, "data");
    spoil(data);
    const error = await openStore(data).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: "RexecError", hint: expect.any(String) });
    expect(String(error)).toContain(data);
  });
});

describe("migrations", () => {
  test("make the schema once, and find nothing to do the next time", async () => {
    const database = memory();
    expect(await migrate(database)).toEqual(MIGRATIONS.map(({ version }) => version));
    expect(await migrate(database)).toEqual([]);
    expect(MIGRATIONS.map(({ version }) => version)).toEqual(MIGRATIONS.map((_, index) => index + 1));
  });

  test("bring an older database up to date and keep what is in it", async () => {
    const database = memory();
    const first = {
      version: 1,
      name: "first",
      sql: "CREATE TABLE a (x TEXT); INSERT INTO a VALUES ('kept');",
    };
    const second = { version: 2, name: "second", sql: "ALTER TABLE a ADD COLUMN y TEXT" };
    await migrate(database, [first]);
    expect(await migrate(database, [first, second])).toEqual([2]);
    const rows = await database.run((sql) => sql`SELECT x, y FROM a`);
    expect([...rows]).toEqual([{ x: "kept", y: null }]);
  });

  test("that fail in the middle leave nothing of themselves", async () => {
    const database = memory();
    const broken = { version: 1, name: "broken", sql: "CREATE TABLE a (x TEXT); CREATE TABEL b (x TEXT);" };
    expect(migrate(database, [broken])).rejects.toThrow();
    await migrate(database, []);
    expect(await schemaVersion(database)).toBe(0);
    const tables = await database.run((sql) => sql`SELECT name FROM sqlite_master WHERE name IN ('a', 'b')`);
    expect([...tables]).toEqual([]);
  });

  test("of a newer build are not touched", async () => {
    const database = memory();
    await migrate(database, [{ version: 99, name: "future", sql: "CREATE TABLE a (x TEXT)" }]);
    expect(migrate(database)).rejects.toMatchObject({ code: "newer_schema" });
  });
});

test("a statement beside a transaction that fails is not undone with it", async () => {
  const database = memory();
  await database.run((sql) => sql`CREATE TABLE a (x TEXT)`);
  const started = Promise.withResolvers<void>();
  const failing = database.transaction(async (sql) => {
    await sql`INSERT INTO a VALUES ('inside')`;
    started.resolve();
    await Bun.sleep(20);
    throw new Error("undo");
  });
  failing.catch(() => {});
  await started.promise;
  await database.run((sql) => sql`INSERT INTO a VALUES ('beside')`);
  expect(failing).rejects.toThrow("undo");
  const rows = await database.run((sql) => sql`SELECT x FROM a`);
  expect([...rows]).toEqual([{ x: "beside" }]);
});

test("nothing of SQLite's own dialect is outside of store/open.ts", async () => {
  const source = join(import.meta.dir, "../../src/gateway");
  const dialect =
    /PRAGMA|AUTOINCREMENT|sqlite_|INSERT OR |strftime|datetime\(|bun:sqlite|adapter: "sqlite"|rowid/i;
  for await (const file of new Bun.Glob("**/*.{ts,sql}").scan(source)) {
    if (file === "store/open.ts") continue;
    expect([file, dialect.exec(await Bun.file(join(source, file)).text())?.[0]]).toEqual([file, undefined]);
  }
});

describe("a restart on the same data", () => {
  test("keeps users, tokens and agents, and makes no second first token", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.register("kept");
    expect(gateway.gateway.adminToken).toBe(gateway.token);
    await gateway.restart();
    expect(gateway.gateway.adminToken).toBeNull();
    expect((await gateway.api("GET", "/api/agents")).json).toMatchObject([{ id, name: "kept" }]);
    expect((await gateway.api("GET", `/api/agents/${id}`, undefined, token)).status).toBe(200);
    expect((await gateway.api("GET", "/api/profile")).json.user.username).toBe("admin");
  });

  test("a lost first token can be replaced while the gateway runs; tokens are nowhere in the files", async () => {
    await using gateway = await startGateway();
    const token = await newAdminToken(gateway.dataDir);
    expect((await gateway.api("GET", "/api/tokens", undefined, token)).status).toBe(200);
    expect((await gateway.api("GET", "/api/tokens")).status).toBe(200);
    await gateway.gateway.stop();
    for (const name of new Bun.Glob("*").scanSync(gateway.dataDir)) {
      const content = await Bun.file(join(gateway.dataDir, name)).text();
      for (const secret of [token, gateway.token]) expect(content.includes(secret.slice(20))).toBe(false);
    }
    using nowhere = temporaryFolder();
    expect(newAdminToken(nowhere.path)).rejects.toMatchObject({ code: "no_admin" });
  });

  test("a token's last use is written at most once a minute", async () => {
    await using gateway = await startGateway();
    const { id, token } = await gateway.mint(["read"]);
    const lastUsed = async () => (await gateway.gateway.store.tokens.get(id))?.last_used_at;
    expect(await lastUsed()).toBeNull();
    await gateway.api("GET", "/api/agents", undefined, token);
    const first = await lastUsed();
    expect(first).toBeString();
    await Bun.sleep(5);
    await gateway.api("GET", "/api/agents", undefined, token);
    expect(await lastUsed()).toBe(first);
    await gateway.gateway.store.tokens.markUsed(id, new Date(Date.now() - 61_000).toISOString());
    await gateway.api("GET", "/api/agents", undefined, token);
    expect(Date.now() - Date.parse((await lastUsed()) ?? "")).toBeLessThan(30_000);
  });
});
