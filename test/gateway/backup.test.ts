/** `rexec serve --backup`: a copy that works, of a gateway that runs. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { testUnless, whyNoUserNamespace } from "../support/needs.ts";
import { within } from "../support/wait.ts";

let gateway: TestGateway;
let folder: string;
beforeEach(async () => {
  gateway = await startGateway();
  folder = mkdtempSync(join(tmpdir(), "rexec-backup-"));
});
afterEach(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function backup(
  file: string,
  data = gateway.dataDir,
): Promise<{ code: number; out: string; err: string }> {
  const child = Bun.spawn([binary("rexec"), "serve", "--backup", file, "--data", data], {
    env: { PATH: process.env.PATH ?? "", HOME: folder },
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  const [out, err, code] = await within(all, 20_000, "the backup");
  return { code, out, err };
}

test("of a running gateway holds what was written a moment before, and starts another gateway", async () => {
  const agents = [];
  for (let i = 0; i < 5; i += 1) agents.push(await gateway.register(`box-${i}`));
  expect(await backup("copy.db")).toMatchObject({ code: 0, out: "" });
  expect(statSync(join(folder, "copy.db")).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(["copy.db"]);
  // What comes later is not in it, and the gateway lives on.
  await gateway.register("later");
  const data = join(folder, "restored");
  mkdirSync(data);
  copyFileSync(join(folder, "copy.db"), join(data, "gateway.db"));
  await using restored = await startGateway({ dataDir: data });
  const { json } = await restored.api("GET", "/api/agents", undefined, gateway.token);
  expect(json.map(({ id }: { id: string }) => id).sort()).toEqual(agents.map(({ id }) => id).sort());
  expect(restored.token).toBe("");
});

test("made while the gateway writes without a pause is whole", async () => {
  let isDone = false;
  const writing = (async () => {
    for (let i = 0; !isDone; i += 1) await gateway.register(`box-${i % 50}-${i}`);
  })();
  for (let i = 0; i < 5; i += 1) expect((await backup(`copy-${i}.db`)).err).not.toContain("error");
  isDone = true;
  await writing;
}, 60_000);

describe("is refused", () => {
  test("where a file is, which stays as it is, a link included", async () => {
    writeFileSync(join(folder, "mine"), "mine");
    symlinkSync("nowhere", join(folder, "link"));
    mkdirSync(join(folder, "dir"));
    for (const name of ["mine", "link", "dir", join(gateway.dataDir, "gateway.db")]) {
      const { code, err } = await backup(name);
      expect(err).toContain("exists already");
      expect(code).toBe(1);
    }
    expect(await Bun.file(join(folder, "mine")).text()).toBe("mine");
    expect(readdirSync(folder).sort()).toEqual(["dir", "link", "mine"]);
  });

  test("of a folder without a gateway's data, which stays as it is", async () => {
    const { code, err } = await backup("copy.db", join(folder, "none"));
    expect(err).toContain("there is no gateway's data in");
    expect(code).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("into a folder that is not there, or into none", async () => {
    expect((await backup("no/such/copy.db")).err).toContain("there is no folder");
    expect((await backup("")).code).toBe(2);
  });

  testUnless(whyNoUserNamespace())("onto a full disk, with nothing left", async () => {
    const script = `mount -t tmpfs -o size=16k none "$D" && "$REXEC" serve --backup "$D/copy.db" --data "$DATA"; echo "exit $?"; ls -A "$D"`;
    const child = Bun.spawn(["unshare", "-rm", "sh", "-c", script], {
      env: {
        PATH: process.env.PATH ?? "",
        HOME: folder,
        D: folder,
        DATA: gateway.dataDir,
        REXEC: binary("rexec"),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const all = Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const [out, err] = await within(all, 20_000, "the backup");
    expect(err).toContain("the disk is full");
    expect(out).toBe("exit 1\n");
  });
});
