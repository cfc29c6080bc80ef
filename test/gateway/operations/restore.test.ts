/** `rexec admin backup` and `restore`: what is in the file, what is refused, and what a refusal leaves behind. */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packTar } from "modern-tar";
import { MIGRATIONS } from "../../../src/gateway/store/migrations/index.ts";
import { binary } from "../../support/binaries.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { testUnless, testWith, whyNotRoot, whyNoUserNamespace } from "../../support/needs.ts";
import { within } from "../../support/wait.ts";

let gateway: TestGateway;
let folder: string;
let backup: string;
let data: string;
beforeEach(async () => {
  gateway = await startGateway();
  folder = mkdtempSync(join(tmpdir(), "rexec-restore-"));
  backup = join(folder, "rexec.tar");
  data = join(folder, "data");
});
afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function admin(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([binary("rexec"), "admin", ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: folder },
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [out, err, code] = await within(all, 30_000, `rexec admin ${args.join(" ")}`);
  return { code, out, err };
}

const make = (...more: string[]) => admin("backup", backup, "--data", gateway.dataDir, ...more);
const restore = (file = backup, into = data) => admin("restore", file, "--data", into);

/** Recordings, as a gateway would have them: one grows. */
function addRecordings(): string {
  const recordings = join(gateway.dataDir, "recordings");
  mkdirSync(join(recordings, "2026", "a b"), { recursive: true });
  writeFileSync(join(recordings, "2026", "a b", "größe.cast"), Buffer.alloc(3_000_001, "cast"));
  writeFileSync(join(recordings, "empty.idx"), "");
  symlinkSync("/etc/passwd", join(recordings, "link"));
  return recordings;
}

describe("a backup", () => {
  test("of a running gateway, restored into a new folder, is a gateway with everything there", async () => {
    const agents = [await gateway.register("one"), await gateway.register("zwei 机")];
    const minted = await gateway.mint(["read"]);
    writeFileSync(join(gateway.dataDir, "audit-spill.jsonl"), '{"waits":1}\n');
    expect(await make()).toMatchObject({
      code: 0,
      out: "",
      err: expect.stringContaining("rexec admin restore"),
    });
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["rexec.tar"]);
    await gateway.register("later");
    const done = await restore();
    expect(done).toMatchObject({ code: 0, out: "" });
    expect(done.err).toContain("1 user, 2 agents, 4 tokens");
    expect(statSync(data).mode & 0o777).toBe(0o700);
    expect(readdirSync(data).sort()).toEqual(["audit-spill.jsonl", "gateway.db", "gateway.lock"]);
    for (const name of readdirSync(data)) expect(statSync(join(data, name)).mode & 0o777).toBe(0o600);
    await using restored = await startGateway({ dataDir: data });
    expect(restored.token).toBe("");
    const { json } = await restored.api("GET", "/api/agents", undefined, minted.token);
    expect(json.map(({ id }: { id: string }) => id)).toEqual(agents.map(({ id }) => id));
    for (const { token, id } of agents)
      expect((await restored.api("GET", `/api/agents/${id}`, undefined, token)).status).toBe(200);
  });

  test("has recordings where it is told to, links left out, and they are the same afterwards", async () => {
    const recordings = addRecordings();
    await make();
    expect((await restore()).err).not.toContain("recordings");
    rmSync(data, { recursive: true });
    rmSync(backup);
    await make("--with-recordings");
    expect((await restore()).err).toContain("2 files of recordings");
    const path = join("2026", "a b", "größe.cast");
    expect(readFileSync(join(data, "recordings", path)).equals(readFileSync(join(recordings, path)))).toBe(
      true,
    );
    expect(readdirSync(join(data, "recordings")).sort()).toEqual(["2026", "empty.idx"]);
    // Elsewhere, too.
    rmSync(backup);
    const other = join(folder, "elsewhere");
    mkdirSync(other);
    writeFileSync(join(other, "x.cast"), "x");
    expect((await make("--with-recordings", "--recordings", other)).code).toBe(0);
    rmSync(data, { recursive: true });
    await restore();
    expect(readdirSync(join(data, "recordings"))).toEqual(["x.cast"]);
  });

  testWith("tar", "sha256sum")("is a tar archive that other tools read and check", async () => {
    await gateway.register("one");
    await make();
    const script = "mkdir x && tar -xf rexec.tar -C x && cd x && sha256sum -c SHA256SUMS && cat about.json";
    const { stdout, stderr, success } = Bun.spawnSync(["sh", "-c", script], { cwd: folder });
    expect({ success, err: stderr.toString() }).toEqual({ success: true, err: "" });
    expect(stdout.toString()).toContain("gateway.db: OK");
    expect(stdout.toString()).toContain(
      `"schema":${MIGRATIONS.length === 0 ? 0 : MIGRATIONS.at(-1)?.version}`,
    );
    // The database alone can take its place.
    mkdirSync(data);
    copyFileSync(join(folder, "x", "gateway.db"), join(data, "gateway.db"));
    await using copy = await startGateway({ dataDir: data });
    expect((await copy.api("GET", "/api/agents", undefined, gateway.token)).json).toHaveLength(1);
  });

  test("is refused where there is a file, no folder, or no data", async () => {
    writeFileSync(backup, "mine");
    expect(await make()).toMatchObject({ code: 1, err: expect.stringContaining("exists already") });
    expect(readFileSync(backup, "utf8")).toBe("mine");
    rmSync(backup);
    expect(await admin("backup", "no/x.tar", "--data", gateway.dataDir)).toMatchObject({ code: 1 });
    expect(await admin("backup", backup, "--data", data)).toMatchObject({
      code: 1,
      err: expect.stringContaining("there is no gateway's data"),
    });
    expect((await admin("backup", backup, "--recordings", folder)).code).toBe(2);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe("a restore", () => {
  test("takes what serve --backup wrote", async () => {
    await gateway.register("one");
    const file = join(folder, "copy.db");
    const words = ["serve", "--backup", file, "--data", gateway.dataDir];
    expect(Bun.spawnSync([binary("rexec"), ...words], { env: { HOME: folder } }).exitCode).toBe(0);
    expect((await restore(file)).err).toContain("1 agent,");
    await using restored = await startGateway({ dataDir: data });
    expect((await restored.api("GET", "/api/agents", undefined, gateway.token)).json).toHaveLength(1);
  });

  test("takes an earlier build's database, and says that the next start brings it up to date", async () => {
    const old = new Database(join(folder, "old.db"), { create: true });
    old.run(readFileSync(join(import.meta.dir, "..", "schema-3.sql"), "utf8"));
    old.close();
    expect((await restore(join(folder, "old.db"))).err).toContain(
      `brings it from schema 3 to ${MIGRATIONS.at(-1)?.version}`,
    );
    await using restored = await startGateway({ dataDir: data });
    expect(await restored.gateway.store.agents.count()).toBe(4);
  });

  test("is refused into a folder of a gateway, running or not, and into one with anything in it", async () => {
    await make();
    const before = readdirSync(gateway.dataDir).sort();
    expect(await restore(backup, gateway.dataDir)).toMatchObject({
      code: 1,
      err: expect.stringContaining("has a gateway's data already"),
    });
    await gateway.gateway.stop();
    expect((await restore(backup, gateway.dataDir)).err).toContain("has a gateway's data already");
    expect(
      readdirSync(gateway.dataDir)
        .filter((name) => !/-(wal|shm|journal)$/.test(name))
        .sort(),
    ).toEqual(before.filter((name) => !/-(wal|shm|journal)$/.test(name)));
    mkdirSync(data);
    writeFileSync(join(data, "notes"), "mine");
    expect(await restore()).toMatchObject({ code: 1, err: expect.stringContaining("is not empty") });
    expect(readdirSync(data)).toEqual(["notes"]);
    writeFileSync(join(folder, "file"), "");
    expect(await restore(backup, join(folder, "file"))).toMatchObject({ code: 1 });
  });

  test("of a damaged, cut or strange file is refused, and leaves no folder", async () => {
    addRecordings();
    await make("--with-recordings");
    const whole = readFileSync(backup);
    const bad = join(folder, "bad.tar");
    const refuses = async (content: Uint8Array, why: string | RegExp) => {
      writeFileSync(bad, content);
      const { code, err } = await restore(bad);
      expect({ code, err }).toEqual({ code: 1, err: expect.stringMatching(why) });
      expect(readdirSync(folder).sort()).toEqual(["bad.tar", "rexec.tar"]);
    };
    const flipped = (at: number) => {
      const copy = Buffer.from(whole);
      copy[at] = (copy[at] ?? 0) ^ 0xff;
      return copy;
    };
    // A byte of each part: headers, the database, a recording, the sums.
    const table = whole.indexOf("SHA256SUMS");
    for (const at of [0, 150, 520, 1536 + 100, 1536 + 5000, whole.length >> 1, table, table + 600]) {
      await refuses(
        flipped(at),
        /is no backup of a gateway, or is damaged|is damaged|has a file that no backup has/,
      );
    }
    for (const length of [0, 1, 511, 512, 5_000, whole.length >> 1, table]) {
      await refuses(whole.subarray(0, length), /is no backup of a gateway, or is damaged|has no database/);
    }
    await refuses(Buffer.alloc(100_000, "not a backup"), /is no backup/);
    const database = Buffer.from(readFileSync(join(gateway.dataDir, "gateway.db")));
    await refuses(database, /has no tables: it may be the file of a gateway that ran/);
    await refuses(database.subarray(0, 3_000), /bad.tar (is damaged|has no tables)/);
  }, 120_000);

  test("takes no name that leads elsewhere, no link, and nothing that no backup has", async () => {
    const bad = join(folder, "bad.tar");
    const content = Buffer.from("owned");
    const names = [
      "../evil",
      "/etc/evil",
      "recordings/../../evil",
      "recordings//evil",
      "recordings/",
      "recordings/./evil",
      "evil",
      "gateway.lock",
    ];
    for (const name of names) {
      const sums = `${new Bun.CryptoHasher("sha256").update(content).digest("hex")}  ${name}\n`;
      const entries = [
        { header: { name, size: content.length }, body: content },
        { header: { name: "SHA256SUMS", size: sums.length }, body: sums },
      ];
      writeFileSync(bad, await packTar(entries));
      expect(await restore(bad)).toMatchObject({ code: 1 });
      expect(readdirSync(folder)).toEqual(["bad.tar"]);
    }
    for (const type of ["symlink", "link", "fifo", "directory"] as const) {
      const header = { name: "gateway.db", size: 0, type, linkname: "/etc/passwd" };
      writeFileSync(bad, await packTar([{ header }]));
      expect(await restore(bad)).toMatchObject({ code: 1, err: expect.stringContaining("is no backup") });
      expect(readdirSync(folder)).toEqual(["bad.tar"]);
    }
  }, 60_000);

  test("of a database of a newer program, or of another one, is refused", async () => {
    const file = join(folder, "copy.db");
    const words = ["serve", "--backup", file, "--data", gateway.dataDir];
    Bun.spawnSync([binary("rexec"), ...words], { env: { HOME: folder } });
    const database = new Database(file);
    database.run("INSERT INTO schema_migrations VALUES (9999, 'future', '2099-01-01')");
    database.close();
    expect(await restore(file)).toMatchObject({
      code: 1,
      err: expect.stringContaining("schema version 9999"),
    });
    const other = new Database(join(folder, "other.db"), { create: true });
    other.run("CREATE TABLE things (id)");
    other.close();
    expect((await restore(join(folder, "other.db"))).err).toContain("is a database of another program");
    expect((await restore(join(folder, "nothing"))).err).toContain("there is no such file");
    expect(readdirSync(folder).sort()).toEqual(["copy.db", "other.db"]);
  });

  test("runs once into a folder, also when two start at the same moment", async () => {
    await make();
    const both = await Promise.all([restore(), restore()]);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 1]);
    await using restored = await startGateway({ dataDir: data });
    expect(restored.token).toBe("");
  });

  testUnless(whyNotRoot("give files away"))("by root belongs to the owner of the folder", async () => {
    await make();
    mkdirSync(data, { mode: 0o750 });
    chmodSync(data, 0o750);
    chownSync(data, 12_345, 12_346);
    expect((await restore()).code).toBe(0);
    for (const name of readdirSync(data)) {
      const { uid, gid } = statSync(join(data, name));
      expect([name, uid, gid]).toEqual([name, 12_345, 12_346]);
    }
    expect(statSync(data).mode & 0o777).toBe(0o750);
  });

  testUnless(whyNoUserNamespace())("onto a full disk leaves the folder as it was", async () => {
    addRecordings();
    await make("--with-recordings");
    const script = `mount -t tmpfs -o size=200k none "$D" && "$REXEC" admin restore "$B" --data "$D"; echo "exit $?"; ls -A "$D"`;
    mkdirSync(data);
    const child = Bun.spawn(["unshare", "-rm", "sh", "-c", script], {
      env: { PATH: process.env.PATH ?? "", HOME: folder, D: data, B: backup, REXEC: binary("rexec") },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const [out, err] = await within(all, 20_000, "the restore");
    expect(err).toContain("the disk is full");
    expect(out).toBe("exit 1\n");
  });
});
