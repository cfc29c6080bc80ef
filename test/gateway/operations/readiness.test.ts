/** `/health` and `/ready`: what they cost, and when the gateway is not ready. */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { join } from "node:path";
import { Readiness } from "../../../src/gateway/readiness.ts";
import { binary } from "../../support/binaries.ts";
import { arrayLogger, call, startGateway } from "../../support/gateway.ts";
import { testUnless, whyNoUserNamespace } from "../../support/needs.ts";
import { until, within } from "../../support/wait.ts";

test("a gateway that works is alive and ready, without a token", async () => {
  await using gateway = await startGateway();
  const health = await call(gateway.url, "GET", "/health");
  expect(health).toMatchObject({ status: 200, json: { status: "ok", uptime_seconds: expect.any(Number) } });
  const ready = await call(gateway.url, "GET", "/ready");
  expect(ready).toMatchObject({ status: 200, json: { status: "ready" } });
  expect(ready.headers.get("cache-control")).toBe("no-store");
  expect((await call(gateway.url, "HEAD", "/ready")).status).toBe(200);
});

test("a store that another process holds makes it unready soon, for as long as that, and does not stall it", async () => {
  await using gateway = await startGateway();
  const other = new Database(join(gateway.dataDir, "gateway.db"));
  other.run("BEGIN IMMEDIATE");
  const start = performance.now();
  const refused = await call(gateway.url, "GET", "/ready");
  expect(performance.now() - start).toBeLessThan(1_000);
  expect(refused).toMatchObject({
    status: 503,
    json: { status: "unavailable", reason: "the store cannot be written or read" },
  });
  expect(refused.headers.get("retry-after")).toBe("1");
  // Alive it is all the same; and why it is not ready is the log's to say, not a stranger's to know.
  expect((await call(gateway.url, "GET", "/health")).status).toBe(200);
  expect(gateway.log.filter((line) => line.includes("not ready"))).toHaveLength(1);
  expect(refused.text).not.toContain(gateway.dataDir);
  other.run("ROLLBACK");
  other.close();
  await until(
    async () => (await call(gateway.url, "GET", "/ready")).status === 200,
    5_000,
    "it to be ready again",
  );
});

test("thousands of questions are one look at the store a second", async () => {
  let looks = 0;
  const check = async () => {
    looks += 1;
  };
  const readiness = new Readiness({ check }, arrayLogger([]));
  const start = performance.now();
  const answers = await Promise.all(Array.from({ length: 5_000 }, () => readiness.problem()));
  for (let i = 0; i < 1_000; i += 1) await readiness.problem();
  expect(new Set(answers)).toEqual(new Set([null]));
  expect(looks).toBeLessThanOrEqual(1 + Math.floor((performance.now() - start) / 1_000));
});

test("a store that hangs is told as such, and gets one question until it answers", async () => {
  let looks = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const store = {
    check: () => {
      looks += 1;
      return promise;
    },
  };
  const readiness = new Readiness(store, arrayLogger([]), { limitMs: 20, keepMs: 1 });
  for (let i = 0; i < 3; i += 1) {
    expect(await readiness.problem()).toBe("the store does not answer within 0.02 s");
    await Bun.sleep(2);
  }
  expect(looks).toBe(1);
  resolve();
  await until(async () => (await readiness.problem()) === null, 5_000, "it to be ready");
});

test("a gateway that stops is not ready, also where it was a moment ago", async () => {
  const readiness = new Readiness({ check: async () => {} }, arrayLogger([]));
  expect(await readiness.problem()).toBeNull();
  readiness.stop();
  expect(await readiness.problem()).toBe("the gateway stops");
});

testUnless(whyNoUserNamespace())(
  "a full disk makes a gateway unready, and room makes it ready again",
  async () => {
    const script = `
      D=$(mktemp -d) && mount -t tmpfs -o size=4m none "$D" && mkdir "$D/data" || exit 9
      REXEC_LOG=silent "$REXEC" serve --port 0 --data "$D/data" >"$D/out" 2>&1 & pid=$!
      i=0; while ! grep -q "Gateway ready" "$D/out"; do i=$((i + 1)); [ $i -lt 200 ] || exit 8; sleep 0.05; done
      URL=$(sed -n 's/.*Gateway ready at \\([^ ]*\\).*/\\1/p' "$D/out")
      try() { "$BUN" -e 'const a = await fetch(process.argv[1] + "/ready"); console.log(a.status, await a.text())' "$URL"; }
      wait_for() { i=0; while ! try | grep "$1"; do i=$((i + 1)); [ $i -lt 40 ] || exit 7; sleep 0.25; done; }
      wait_for ^200
      dd if=/dev/zero of="$D/full" bs=4k 2>/dev/null
      wait_for ^503
      rm "$D/full"
      wait_for ^200
      kill $pid; wait $pid; umount "$D"; rmdir "$D"`;
    const child = Bun.spawn(["unshare", "-rm", "bash", "-c", script], {
      env: { ...process.env, REXEC: binary("rexec"), BUN: process.execPath },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const [out, err, code] = await within(all, 60_000, "the gateway on a full disk");
    expect({ out: out.split("\n").map((line) => line.slice(0, 3)), err, code }).toEqual({
      out: ["200", "503", "200", ""],
      err: "",
      code: 0,
    });
  },
  90_000,
);
