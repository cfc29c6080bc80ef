import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newKeyPair, readSigningKey, signFile } from "../../scripts/signing.ts";
import { AGENT_FILE, Releases, rewrite } from "../support/releases.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { Terminal } from "../support/terminal.ts";
import { sha256, UpdateStage } from "../support/update-stage.ts";
import { until, within } from "../support/wait.ts";

const releases = new Releases();
let now: string;
let newer: string;
/** Downloads of the newer one. */
let offer: string;
beforeAll(async () => {
  now = await releases.build("1.0.0");
  newer = await releases.build("1.1.0");
  offer = releases.offer("1.1.0", newer);
}, 60_000);
afterAll(() => releases[Symbol.dispose]());

describe("update --check", () => {
  test("says whether there is a newer version, and changes nothing", async () => {
    await using stage = await UpdateStage.start(now, offer);
    expect(await stage.run(["update", "--check"])).toMatchObject({
      code: 0,
      out: "1.1.0 is newer: this is 1.0.0\n",
    });
    const { out } = await stage.run(["update", "--check", "--json"]);
    expect(JSON.parse(out)).toEqual({ current: "1.0.0", offered: "1.1.0", wanted: "1.1.0", newer: true });
    expect((await stage.run(["update", "--check", "--version", "v1.0.0"])).out).toBe(
      "1.0.0 is here already\n",
    );
    expect((await stage.run(["update", "--check", "--version", "0.9.0"])).out).toStartWith("0.9.0 is older");
    expect(stage.files).toEqual(["rexec-agent"]);
  });

  test("says why where the server cannot be asked, or is none", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const dead = await stage.run(["update", "--check", "--host=http://127.0.0.1:1"]);
    expect([dead.code, dead.err]).toEqual([1, expect.stringContaining("127.0.0.1:1 refuses the connection")]);
    const usage = await stage.run(["update", "--version", "latest"]);
    expect([usage.code, usage.err]).toEqual([2, expect.stringContaining('"latest" is no version')]);
  });
});

describe("update", () => {
  test("replaces the executable, keeps the former one beside it, and leaves nothing else", async () => {
    await using stage = await UpdateStage.start(now, offer);
    rmSync(stage.agent);
    copyFileSync(now, stage.agent);
    chmodSync(stage.agent, 0o750);
    const { code, err } = await stage.run(["update"]);
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringContaining("is 1.1.0 now; 1.0.0 is kept as"),
    });
    expect(err).toContain("no agent runs");
    expect(stage.installed).toBe(sha256(newer));
    expect(stage.files).toEqual(["rexec-agent", "rexec-agent.old"]);
    expect(sha256(`${stage.agent}.old`)).toBe(sha256(now));
    expect(statSync(stage.agent).mode & 0o777).toBe(0o750);
    expect((await stage.run(["update"])).err).toContain("1.1.0 is here already");
  });

  test("takes the plain file where there is no packed one", async () => {
    await using stage = await UpdateStage.start(now, releases.offer("1.1.0", newer, { packed: false }));
    expect((await stage.run(["update"])).code).toBe(0);
    expect(stage.installed).toBe(sha256(newer));
  });

  test("has a running agent run the new version, connected, before it says that it is done", async () => {
    await using stage = await UpdateStage.start(now, offer);
    expect((await stage.run(["start", "--daemon", "--max-sessions=7"])).code).toBe(0);
    const { code, err } = await stage.run(["update"]);
    expect({ code, err }).toEqual({
      code: 0,
      err: expect.stringContaining("the agent runs 1.1.0, and is connected"),
    });
    const status = await stage.status();
    expect(status).toMatchObject({ running: true, version: "1.1.0", connected: true });
    expect(readFileSync(`/proc/${status.pid}/cmdline`, "utf8")).toContain("--max-sessions=7");
    expect(stage.files).toEqual(["rexec-agent", "rexec-agent.old"]);
  }, 60_000);

  test("shows a bar at a terminal, and none elsewhere", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const terminal = new Terminal([stage.agent, "update", `--config=${stage.config}`], { env: stage.env });
    await terminal.see(/\[=+ *\] +\d+ % {2}[\d.]+\/[\d.]+ MB/, 20_000);
    await terminal.see("no agent runs", 30_000);
    stage.install(now);
    expect((await stage.run(["update"])).err).not.toContain("%");
  }, 60_000);

  test("of the CLI's executable takes the CLI's", async () => {
    const [cli, newCli] = [await releases.build("1.0.0", "rexec"), await releases.build("1.1.0", "rexec")];
    const file = AGENT_FILE.replace("rexec-agent", "rexec");
    const folder = releases.offer("1.1.0", newCli, { file });
    releases.offer("1.1.0", newer, { into: folder });
    await using stage = await UpdateStage.start(cli, folder);
    expect((await stage.run(["agent", "update"])).err).toContain("is 1.1.0 now");
    expect(stage.installed).toBe(sha256(newCli));
    stage.install(now); // for the end of the stage
  }, 60_000);
});

describe("an older version", () => {
  test("is refused, also by name, and taken where that is asked for", async () => {
    const folder = releases.offer("0.9.0", now);
    releases.offer("0.8.0", now, { into: join(folder, "v0.8.0") });
    await using stage = await UpdateStage.start(now, folder);
    for (const words of [[], ["--version", "0.8.0"], ["--force"]]) {
      const { code, err } = await stage.run(["update", ...words]);
      expect([words, code, err]).toEqual([
        words,
        1,
        expect.stringContaining("is older than this version, 1.0.0"),
      ]);
    }
    const older = await releases.build("0.8.1");
    releases.offer("0.8.1", older, { into: join(folder, "v0.8.1") });
    const { code } = await stage.run(["update", "--version", "v0.8.1", "--allow-downgrade"]);
    expect([code, stage.installed]).toEqual([0, sha256(older)]);
  }, 60_000);

  test("that the server does not have is named", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const { code, err } = await stage.run(["update", "--version", "1.2.0"]);
    expect([code, err]).toEqual([1, expect.stringContaining("of version 1.2.0 (it offers 1.1.0)")]);
  });
});

describe("what is not as it should be is not installed", () => {
  /** Everything is as before, and the reason is said. */
  async function refused(folder: string, reason: string) {
    // In a folder of its version: which one the gateway offers, by what a signature says, is not the point here.
    const downloads = releases.offer("1.0.0", Buffer.from("no executable"));
    symlinkSync(folder, join(downloads, "v1.1.0"));
    await using stage = await UpdateStage.start(now, downloads);
    const { code, err } = await stage.run(["update", "--version=1.1.0"]);
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining(reason) });
    expect(stage.installed).toBe(sha256(now));
    expect(stage.files).toEqual(["rexec-agent"]);
  }

  const spoil = (change: (path: string) => void): string => {
    const copy = releases.copy(offer);
    change(join(copy, AGENT_FILE));
    return copy;
  };
  const sign = (path: string, key = releases.key, comment = `file:${AGENT_FILE} version:1.1.0`) =>
    rewrite(`${path}.minisig`, signFile(readFileSync(path), key, comment));

  test("a file that was changed after it was signed", async () => {
    await refused(
      spoil((path) => {
        const bytes = readFileSync(path);
        bytes[bytes.length - 100] = (bytes[bytes.length - 100] ?? 0) ^ 1;
        rewrite(path, bytes);
        rewrite(`${path}.gz`, Bun.gzipSync(bytes, { level: 1 }));
      }),
      "the file is not the one signed",
    );
  });

  test("a signature of somebody else's", async () => {
    const theirs = readSigningKey(newKeyPair().secretText);
    await refused(
      spoil((path) => sign(path, theirs)),
      "this program trusts",
    );
    await refused(
      spoil((path) => sign(path, { ...theirs, id: releases.key.id })),
      "the signature is not valid",
    );
  });

  test("a right signature of another version, file or machine", async () => {
    for (const comment of [
      `file:${AGENT_FILE} version:1.0.9`,
      `file:rexec-linux-amd64 version:1.1.0`,
      "file:rexec-agent-linux-riscv64 version:1.1.0",
      `file:${AGENT_FILE}`,
      "",
    ]) {
      await refused(
        spoil((path) => sign(path, releases.key, comment)),
        "the signature is of another file",
      );
    }
  }, 60_000);

  test("an older build that is passed off as a new one", async () => {
    await refused(releases.offer("1.1.0", now), "it says that it is 1.0.0");
  });

  test("no signature, or one that is cut", async () => {
    await refused(
      spoil((path) => rmSync(`${path}.minisig`)),
      "no signature of it",
    );
    await refused(
      spoil((path) => rewrite(`${path}.minisig`, readFileSync(`${path}.minisig`).subarray(0, 120))),
      "the signature is not valid",
    );
  });

  test("another checksum than the list's", async () => {
    const wrong = "0".repeat(64);
    await refused(
      spoil((path) =>
        rewrite(join(path, "../SHA256SUMS"), `${wrong}  ${AGENT_FILE}\n${wrong}  ${AGENT_FILE}.gz\n`),
      ),
      "is not what SHA256SUMS says",
    );
    await refused(
      spoil((path) =>
        rewrite(
          join(path, "../SHA256SUMS"),
          `${sha256(`${path}.gz`)}  ${AGENT_FILE}.gz\n${wrong}  ${AGENT_FILE}\n`,
        ),
      ),
      "is not what SHA256SUMS says",
    );
    await refused(
      spoil((path) => rewrite(join(path, "../SHA256SUMS"), "")),
      "has no SHA-256",
    );
  });

  test("a packed file that is cut, or none", async () => {
    await refused(
      spoil((path) => rewrite(`${path}.gz`, readFileSync(`${path}.gz`).subarray(0, 10_000_000))),
      "cannot be unpacked",
    );
    await refused(
      spoil((path) => rewrite(`${path}.gz`, "nonsense")),
      "cannot be unpacked",
    );
  });

  test("what does not run on this machine, though it is signed", async () => {
    const offered = (text: string) => releases.offer("1.1.0", Buffer.from(text));
    await refused(offered("\x7fELF, but not really"), "does not work on this machine");
    await refused(
      offered("#!/bin/sh\necho no library >&2; exit 127\n"),
      "does not work on this machine: no library",
    );
    await refused(offered("#!/bin/sh\necho fine\n"), "it gave no report");
    await refused(offered("#!/bin/sh\nkill -SEGV $$\n"), "does not work on this machine");
  });
});

describe("a download", () => {
  test("goes on where the line was cut, and where an earlier run was killed", async () => {
    await using stage = await UpdateStage.start(now, offer);
    await using proxy = await TcpProxy.to(Number(new URL(stage.gateway.url).port));
    const size = statSync(join(offer, `${AGENT_FILE}.gz`)).size;
    const host = `--host=http://127.0.0.1:${proxy.port}`;
    const killed = stage.spawn(["update", host]);
    await until(() => proxy.down > size / 4, 20_000, "a quarter of it");
    killed.kill("SIGKILL");
    await killed.exited;
    proxy.cut();
    const part = stage.files.find((name) => name.endsWith(".part")) ?? "none";
    const before = statSync(join(stage.bin, part)).size;
    expect(before).toBeGreaterThan(0);

    proxy.down = 0;
    const second = stage.spawn(["update", host]);
    await until(() => proxy.down > size / 4, 20_000, "another quarter");
    proxy.cut();
    expect(await within(second.exited, 60_000, "the update")).toBe(0);
    expect(await second.stderr.text()).toContain("going on with");
    // What came twice is what was on its way when the line was cut.
    expect(proxy.down).toBeLessThan(size - before + 20_000_000);
    expect(stage.installed).toBe(sha256(newer));
    expect(stage.files).toEqual(["rexec-agent", "rexec-agent.old"]);
  }, 90_000);

  test("of which the beginning is spoilt is made anew", async () => {
    await using stage = await UpdateStage.start(now, offer);
    const sum = sha256(join(offer, `${AGENT_FILE}.gz`));
    const part = join(stage.bin, `.rexec-agent.${sum.slice(0, 16)}.part`);
    const stale = join(stage.bin, `.rexec-agent.${"ab".repeat(8)}.part`);
    for (const path of [part, stale]) writeFileSync(path, Buffer.alloc(1_000_000, 7));
    expect((await stage.run(["update"])).code).toBe(0);
    expect(stage.installed).toBe(sha256(newer));
    expect(stage.files).toEqual(["rexec-agent", "rexec-agent.old"]);
  });

  test("is taken up again where the gateway was away for a moment", async () => {
    await using stage = await UpdateStage.start(now, offer);
    await using proxy = await TcpProxy.to(Number(new URL(stage.gateway.url).port));
    const child = stage.spawn(["update", `--host=http://127.0.0.1:${proxy.port}`]);
    await until(() => proxy.down > 5_000_000, 20_000, "some of it");
    await proxy.refuse();
    await Bun.sleep(300); // for as long as a gateway is restarted
    await proxy.listen();
    expect(await within(child.exited, 60_000, "the update")).toBe(0);
  }, 90_000);
});
