/** `rexec admin doctor` on the executables: each fault that it knows is made, and found. */

import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, distFolder } from "../../support/binaries.ts";
import { startGateway, type TestGateway } from "../../support/gateway.ts";
import { describeUnless, lacks, testUnless, whyNotRoot } from "../../support/needs.ts";
import { within } from "../../support/wait.ts";

interface Found {
  ok: boolean;
  checks: { check: string; verdict: string; detail: string; hint?: string }[];
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-doctor-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function run(args: readonly string[], env: Record<string, string> = {}) {
  const child = Bun.spawn([binary("rexec"), "admin", "doctor", ...args], {
    env: { PATH: process.env.PATH ?? "", HOME: folder, ...env },
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [out, err, code] = await within(all, 60_000, "the doctor");
  return { out, err, code };
}

async function examine(args: readonly string[], env: Record<string, string> = {}) {
  const { out, code } = await run([...args, "--json"], env);
  const found: Found = JSON.parse(out);
  expect(code).toBe(found.ok ? 0 : 1);
  const of = (check: string) => found.checks.find((each) => each.check === check);
  return { of, code, found };
}

/** Makes the data of a gateway, which does not run any more. */
async function ranOnce(dataDir: string): Promise<void> {
  await using _gateway = await startGateway({ dataDir });
}

const at = (gateway: TestGateway) => ["--data", gateway.dataDir, "--port", new URL(gateway.url).port];

describe("of a gateway", () => {
  test("that runs finds all well, says so in lines, and changes nothing", async () => {
    await using gateway = await startGateway();
    const url = ["--public-url", gateway.url];
    const before = readdirSync(gateway.dataDir).sort();
    const { out, err, code } = await run([...at(gateway), ...url, "--downloads", distFolder]);
    expect({ err, code }).toEqual({ err: "", code: 0 });
    expect(out).toContain(`a gateway runs on it (pid ${process.pid})`);
    expect(out).toContain("runs Rexec v0.1.0");
    expect(out).toContain("pass through to the gateway");
    expect(out).toMatch(/: 1 user, 0 agents, \d+ tokens?$/m);
    expect(out).toEndWith("\nall is well\n");
    expect(out).not.toContain("✗");
    expect(readdirSync(gateway.dataDir).sort()).toEqual(before);
    expect(out).not.toContain(gateway.token);
  });

  test("that has never run, or does not run now, is no failure", async () => {
    const none = await examine(["--data", join(folder, "none"), "--port", "0"]);
    expect(none.of("data")).toMatchObject({
      verdict: "warning",
      detail: expect.stringContaining("no gateway's data"),
    });
    expect(none.of("database")).toMatchObject({ verdict: "skipped" });
    expect(readdirSync(folder)).toEqual([]);
    const data = join(folder, "data");
    await ranOnce(data);
    const stopped = await examine(["--data", data, "--port", "0"]);
    expect(stopped.of("data")?.detail).toContain("no gateway runs on it");
    expect(stopped.of("database")?.detail).toContain("whole");
  });

  test("with settings that are wrong says which, and tries nothing else", async () => {
    writeFileSync(join(folder, "serve.yaml"), "prot: 80\n");
    const { of, found } = await examine(["--config", join(folder, "serve.yaml")]);
    expect(of("settings")).toMatchObject({ verdict: "failed", detail: expect.stringContaining("prot") });
    expect(new Set(found.checks.slice(1).map(({ verdict }) => verdict))).toEqual(new Set(["skipped"]));
  });
});

describe("finds", () => {
  test("a database that is damaged, of a newer program, or written in the time to come", async () => {
    const data = join(folder, "data");
    await ranOnce(data);
    const file = join(data, "gateway.db");
    const whole = readFileSync(file);
    const database = new Database(file);
    database.run("INSERT INTO schema_migrations VALUES (9999, 'future', '2099-01-01')");
    database.close();
    const args = ["--data", data, "--port", "0"];
    expect((await examine(args)).of("database")).toMatchObject({
      verdict: "failed",
      detail: expect.stringContaining("schema 9999"),
    });
    for (const name of ["gateway.db-wal", "gateway.db-shm"]) rmSync(join(data, name), { force: true });
    const torn = Buffer.from(whole);
    torn.fill(0xff, 4096, 12_288);
    writeFileSync(file, torn);
    expect((await examine(args)).of("database")).toMatchObject({
      verdict: "failed",
      detail: expect.stringMatching(/damaged/),
    });
    writeFileSync(file, whole);
    Bun.spawnSync(["touch", "-d", "2090-01-01", file]);
    expect((await examine(args)).of("clock")).toMatchObject({ verdict: "failed" });
  });

  test("files that others can read, and a port that another program has", async () => {
    await using gateway = await startGateway();
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("hello") });
    try {
      chmodSync(gateway.dataDir, 0o755);
      const wrong = await examine(["--data", gateway.dataDir, "--port", String(other.port)]);
      expect(wrong.of("data")).toMatchObject({ verdict: "warning", hint: expect.stringContaining("chmod") });
      expect(wrong.of("port")).toMatchObject({
        verdict: "failed",
        detail: expect.stringContaining("200 hello"),
      });
      const taken = await examine(["--data", join(folder, "none"), "--port", String(other.port)]);
      expect(taken.of("port")).toMatchObject({
        verdict: "failed",
        detail: expect.stringContaining("another program listens there"),
      });
    } finally {
      await other.stop(true);
    }
  });

  testUnless(whyNotRoot("give files away"))("a file that the gateway's account cannot use", async () => {
    const data = join(folder, "data");
    await ranOnce(data);
    for (const name of ["", ...readdirSync(data)]) chownSync(join(data, name), 12_345, 12_345);
    const args = ["--data", data, "--port", "0"];
    expect((await examine(args)).of("data")).toMatchObject({ verdict: "ok" });
    // What root looked at stays the account's.
    for (const name of readdirSync(data))
      expect([name, statSync(join(data, name)).uid]).toEqual([name, 12_345]);
    chownSync(join(data, "gateway.lock"), 0, 0);
    expect((await examine(args)).of("data")).toMatchObject({
      verdict: "failed",
      detail: expect.stringContaining("gateway.lock is user 0's"),
    });
  });

  test("a public URL where nothing or something else answers, and a proxy that takes upgrades off", async () => {
    await using gateway = await startGateway();
    const proxy = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        const { pathname, search } = new URL(request.url);
        return fetch(`${gateway.url}${pathname}${search}`, { method: request.method });
      },
    });
    const other = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("a shop") });
    try {
      const through = await examine([...at(gateway), "--public-url", proxy.url.origin]);
      expect(through.of("public url")).toMatchObject({ verdict: "ok" });
      expect(through.of("websockets")).toMatchObject({
        verdict: "failed",
        detail: expect.stringContaining("answered 426"),
        hint: expect.stringContaining("Upgrade"),
      });
      const strange = await examine([...at(gateway), "--public-url", other.url.origin]);
      expect(strange.of("public url")).toMatchObject({ verdict: "failed" });
      expect(strange.of("websockets")).toMatchObject({ verdict: "skipped" });
      await other.stop(true);
      const gone = await examine([...at(gateway), "--public-url", other.url.origin]);
      expect(gone.of("public url")).toMatchObject({ verdict: "failed" });
    } finally {
      await proxy.stop(true);
      await other.stop(true);
    }
  });

  test("no agents to hand out", async () => {
    const { of } = await examine(["--data", join(folder, "none"), "--port", "0", "--downloads", folder]);
    expect(of("downloads")).toMatchObject({
      verdict: "warning",
      detail: expect.stringContaining("no agents"),
    });
  });
});

describeUnless(lacks("openssl"))("of a certificate finds", () => {
  function certificate(name: string, days: string, host = "localhost"): string[] {
    const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
    const words = [
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-days", days, "-subj", `/CN=${host}`, "-addext", `subjectAltName=DNS:${host}`],
      ...["-keyout", key, "-out", cert],
    ];
    const made = Bun.spawnSync(words, { stderr: "pipe" });
    if (made.exitCode !== 0) throw new Error(made.stderr.toString());
    return ["--tls-cert", cert, "--tls-key", key];
  }

  test("that it is right, ends soon, is another key's or another host's, or is none", async () => {
    const base = ["--data", join(folder, "none"), "--port", "0", "--public-url", "https://localhost"];
    const good = certificate("good", "90");
    expect((await examine([...base, ...good])).of("tls")).toMatchObject({
      verdict: "ok",
      detail: expect.stringContaining("DNS:localhost, until"),
    });
    expect((await examine([...base, ...certificate("soon", "3")])).of("tls")).toMatchObject({
      verdict: "warning",
      detail: expect.stringMatching(/: [23] days left/),
    });
    const elsewhere = certificate("elsewhere", "90", "other.example");
    expect((await examine([...base, ...elsewhere])).of("tls")).toMatchObject({
      verdict: "failed",
      detail: expect.stringContaining("it is not for localhost"),
    });
    const mixed = ["--tls-cert", good[1] ?? "", "--tls-key", elsewhere[3] ?? ""];
    expect((await examine([...base, ...mixed])).of("tls")).toMatchObject({
      verdict: "failed",
      detail: expect.stringContaining("the key is not this certificate's"),
    });
    writeFileSync(join(folder, "text"), "no certificate");
    const none = ["--tls-cert", join(folder, "text"), "--tls-key", join(folder, "text")];
    expect((await examine([...base, ...none])).of("tls")).toMatchObject({ verdict: "failed" });
    const missing = ["--tls-cert", join(folder, "missing"), "--tls-key", join(folder, "missing")];
    expect((await examine([...base, ...missing])).of("tls")).toMatchObject({ verdict: "failed" });
  });
});
