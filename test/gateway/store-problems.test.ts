/** What a gateway says where its data can't be opened. Small disks are made in a namespace of this account's own. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { openStore } from "../../src/gateway/store/store.ts";
import { RexecError } from "../../src/lib/errors.ts";
import { binary } from "../support/binaries.ts";
import { describeUnless, lacks, testUnless, whyNotRoot, whyNoUserNamespace } from "../support/needs.ts";
import { within } from "../support/wait.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-problems-"));
});
afterEach(() => {
  chmodSync(folder, 0o700);
  rmSync(folder, { recursive: true, force: true });
});

/** Starts a gateway on a small disk of its own, which `prepare` (shell, `$D` is the disk) has spoilt. */
async function serveOn(options: string, prepare: string): Promise<{ code: number; err: string }> {
  const script = `mount -t tmpfs -o ${options} none "$D" && { ${prepare}; } && exec "$REXEC" serve --port 0 --data "$D"`;
  const child = Bun.spawn(["unshare", "-rm", "sh", "-c", script], {
    env: { PATH: process.env.PATH ?? "", HOME: folder, D: folder, REXEC: binary("rexec") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    const [err, code] = await within(Promise.all([child.stderr.text(), child.exited]), 15_000, "its end");
    return { code, err };
  } finally {
    child.kill("SIGKILL");
  }
}

describeUnless(whyNoUserNamespace())("a disk", () => {
  test.each([
    ["that is full", "size=64k", 'head -c 65536 /dev/zero >"$D/x"'],
    ["that is nearly full", "size=64k", 'head -c 61440 /dev/zero >"$D/x"'],
    ["that has room for a part of the database", "size=64k", 'head -c 40000 /dev/zero >"$D/x"'],
    ["that fills up with the first rows", "size=140k", ":"],
    ["without inodes", "size=640k,nr_inodes=2", ":"],
    ["without inodes for the folder", "size=640k,nr_inodes=1", ":"],
  ])(
    "%s is named as full, with where",
    async (_, options, prepare) => {
      const { code, err } = await serveOn(options, prepare);
      expect(err).toMatch(/^error: no room for .*: the disk is full/m);
      expect(err).toContain(folder);
      expect(err).toMatch(/hint: make room there/);
      expect(err).not.toMatch(/SQLITE|ENOSPC|I\/O error/);
      expect(code).toBe(1);
    },
    30_000,
  );

  test("that is read-only is named so, new or with data", async () => {
    for (const before of [
      ":",
      `"$REXEC" serve --data "$D" --new-admin-token 2>/dev/null || : >"$D/gateway.db"`,
    ]) {
      const { code, err } = await serveOn("size=4m", `${before}; mount -o remount,bind,ro "$D"`);
      expect(err).toMatch(/its file system is read-only/);
      expect(err).not.toContain("EROFS");
      expect(code).toBe(1);
    }
  }, 30_000);
});

async function problem(data: string): Promise<{ message: string; hint: string }> {
  const error: unknown = await openStore(data).then(
    async (store) => {
      await store.close();
      return "it opened";
    },
    (thrown: unknown) => thrown,
  );
  expect([error instanceof RexecError, String(error)]).toEqual([true, String(error)]);
  return error instanceof RexecError
    ? { message: error.message, hint: String(error.hint) }
    : { message: "", hint: "" };
}

describe("in the place of the data", () => {
  test("a folder is named as one, for each of the files", async () => {
    for (const name of ["gateway.db", "gateway.lock", "gateway.db-wal"]) {
      const data = join(folder, name);
      mkdirSync(join(data, name), { recursive: true });
      const { message } = await problem(data);
      expect(message).toContain(data);
      if (name !== "gateway.db-wal") expect(message).toContain("it is a folder");
    }
  });

  test("a file in place of the folder, or of one above it, is named", async () => {
    writeFileSync(join(folder, "file"), "");
    expect((await problem(join(folder, "file"))).message).toContain("it is no folder");
    expect((await problem(join(folder, "file", "data"))).message).toContain("it is no folder");
  });

  test("what is no database is told from another program's database, which is left as it is", async () => {
    writeFileSync(join(folder, "gateway.db"), "no database ".repeat(1_000));
    expect((await problem(folder)).message).toContain("is damaged or no database");
    const other = join(folder, "other");
    mkdirSync(other);
    const sql = new SQL({ adapter: "sqlite", filename: join(other, "gateway.db") });
    await sql.unsafe("CREATE TABLE bookmarks (url TEXT)");
    await sql.close();
    expect((await problem(other)).message).toContain("is a database of another program");
    const again = new SQL({ adapter: "sqlite", filename: join(other, "gateway.db") });
    expect(await again.unsafe("SELECT name FROM sqlite_master")).toHaveLength(1);
    await again.close();
  });

  test("a newer program's database is named so", async () => {
    const sql = new SQL({ adapter: "sqlite", filename: join(folder, "gateway.db") });
    await sql.unsafe(
      "CREATE TABLE schema_migrations (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)",
    );
    await sql.unsafe("INSERT INTO schema_migrations VALUES (999, 'future', '')");
    await sql.close();
    expect((await problem(folder)).hint).toContain("a newer rexec wrote it");
  });

  testUnless(process.getuid?.() === 0 ? "root may write anywhere" : null)(
    "a folder without rights is named with who may not",
    async () => {
      chmodSync(folder, 0o500);
      expect((await problem(folder)).message).toContain(`permission denied to user ${process.getuid?.()}`);
    },
  );

  testUnless(whyNotRoot("be another account") ?? lacks("setpriv"))(
    "another user's folder is named with whose it is (as root: by way of nobody)",
    async () => {
      const data = join(folder, "data");
      mkdirSync(data, { mode: 0o755 });
      chmodSync(folder, 0o755);
      const child = Bun.spawn(
        [
          "setpriv",
          "--reuid",
          "65534",
          "--regid",
          "65534",
          "--clear-groups",
          binary("rexec"),
          "serve",
          "--port",
          "0",
          "--data",
          data,
        ],
        { env: { PATH: process.env.PATH ?? "", HOME: "/" }, stdio: ["ignore", "ignore", "pipe"] },
      );
      const [err] = await within(Promise.all([child.stderr.text(), child.exited]), 15_000, "its end");
      expect(err).toContain("permission denied to user 65534, it is user 0's");
      expect(err).toContain("run the gateway as the user whose folder it is");
    },
  );
});
