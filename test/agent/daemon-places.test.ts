import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Account } from "../support/account.ts";
import { describeUnless, whyNoMount } from "../support/needs.ts";

/** Worlds that only root can make, with mounts that only the one program sees. */
const why = whyNoMount();

let account: Account;
beforeAll(async () => {
  if (why === null) account = await Account.registered();
});
afterAll(async () => {
  if (why === null) await account[Symbol.asyncDispose]();
});

/** A shell of the agent, as a viewer asks for one: whatever the PTY is made with, it has to come up. */
async function shellWorks(): Promise<string> {
  const { rexec } = account.stack.paths;
  const child = Bun.spawn([rexec, "connect", "box"], {
    env: { ...account.stack.clientEnv, HOME: account.folder },
    stdin: new Blob(["echo it$((6*7))works\nexit\n"]),
    stdout: "pipe",
    stderr: "pipe",
    timeout: 15_000,
  });
  return child.stdout.text();
}

describeUnless(why)("an agent in the background", () => {
  const log = () => readFileSync(`${account.home}/.rexec/agent.log`, "utf8");

  test("runs with a full disk, and says that its log cannot be written", async () => {
    // Its whole home, which holds configuration, pid file, socket and log.
    const world = `
      mkdir -p ${account.folder}/small
      mount -t tmpfs -o size=64k,mode=755 none ${account.folder}/small
      cp -a ${account.home}/. ${account.folder}/small
      mount --move ${account.folder}/small ${account.home}
      chown 65534:65534 ${account.home}
      cat /dev/zero > ${account.home}/filler 2>/dev/null || true`;
    const script = `${account.program} start -d; code=$?; ${account.program} status; ${account.program} stop; exit $code`;
    const { code, out, err } = await account.run(["sh", script], { world, shell: true });
    expect(err).toMatch(/warning: the log \S+agent\.log cannot be written: ENOSPC/);
    expect(err).toContain(`started "box" in the background`);
    expect(out).toContain("Running:    ✓ Yes");
    expect(out).toContain("Connected:  ✓ Yes");
    expect(err).toMatch(/stopped \(pid \d+\)/);
    expect(code).toBe(0);
  });

  test("is refused with a read-only home and no other place, with what to do; in the foreground it runs, with a warning", async () => {
    const world = `mount --bind ${account.home} ${account.home}; mount -o remount,ro,bind ${account.home}`;
    const { code, err } = await account.run(["start", "-d"], { world });
    expect(code).toBe(1);
    expect(err).toMatch(/error: cannot write the log .*EROFS.*\nhint: .*XDG_RUNTIME_DIR/);
    const script = `timeout 2 ${account.program} start; true`;
    const foreground = await account.run(["sh", script], { world, shell: true });
    expect(foreground.err).toMatch(/\[warn\] cannot keep a pid file and a control socket in .*EROFS/);
    expect(foreground.err).toContain("connected to");
  });

  test("runs with a read-only home where there is another place, and says where its log is", async () => {
    const world = `
      mount -t tmpfs -o mode=755 none /mnt; mkdir -m 700 /mnt/run; chown 65534:65534 /mnt/run
      mount --bind ${account.home} ${account.home}; mount -o remount,ro,bind ${account.home}`;
    const script = `${account.program} start -d; code=$?; ${account.program} status; ${account.program} stop; exit $code`;
    const { code, out, err } = await account.run(["sh", script], {
      world,
      shell: true,
      env: { XDG_RUNTIME_DIR: "/mnt/run" },
    });
    expect(code).toBe(0);
    expect(err).toMatch(
      /warning: cannot write the log .*EROFS.*; it is in \/mnt\/run\/rexec\/agent\.log instead/,
    );
    expect(out).toContain("Log:        /mnt/run/rexec/agent.log");
    expect(err).toMatch(/stopped \(pid \d+\)/);
  });

  test("says in its log how much is missing of it, once there is room again", () => {
    const script = `import { LogFile } from "${join(import.meta.dir, "../../src/agent/daemon/log-file.ts")}";
      import { rmSync } from "node:fs";
      const log = new LogFile({ path: "/mnt/agent.log" });
      for (let i = 0; i < 3; i++) log.write("lost " + "x".repeat(8000) + "\\n");
      rmSync("/mnt/filler"); log.write("after\\n");`;
    const world = `mount -t tmpfs -o size=64k none /mnt; echo before > /mnt/agent.log
      cat /dev/zero > /mnt/filler 2>/dev/null || true
      ${process.execPath} -e '${script}' 2>> /mnt/agent.log; cat /mnt/agent.log`;
    const { stdout } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", world]);
    const lines = stdout.toString().split("\n");
    expect(lines[0]).toBe("before");
    expect(lines.slice(1).join("\n")).toMatch(/… 3 line\(s\) are missing here: the disk was full\nafter\n$/);
  });

  const tmpless: [string, string][] = [
    ["no /tmp", "mount -t tmpfs -o mode=755,ro none /tmp"],
    ["a noexec /tmp", "mount -t tmpfs -o mode=1777,noexec none /tmp"],
    [
      "a full /tmp",
      "mount -t tmpfs -o mode=1777,size=4k none /tmp; cat /dev/zero > /tmp/filler 2>/dev/null || true",
    ],
  ];
  for (const [name, mount] of tmpless) {
    test(`runs with ${name}, and its shells do, by the runtime's own terminals`, async () => {
      // The account's folder is in /tmp itself: it stays reachable under the new one.
      const world = `
        mkdir -p /mnt/keep 2>/dev/null || { mount -t tmpfs none /mnt; mkdir /mnt/keep; }
        mount --bind ${account.folder} /mnt/keep
        ${mount.replace("mode=755,ro", "mode=755")}
        mkdir -p ${account.folder} 2>/dev/null && mount --bind /mnt/keep ${account.folder}
        ${mount.includes(",ro") ? "mount -o remount,ro /tmp" : ""}`;
      rmSync(`${account.home}/.rexec/agent.log`, { force: true });
      const { code, err } = await account.run(["start", "-d"], { world });
      expect({ code, err }).toMatchObject({ code: 0 });
      try {
        expect(await shellWorks()).toContain("it42works");
        expect(log()).toMatch(
          /\[warn\] terminals work, but cannot make a program wait that floods: .*BUN_TMPDIR/,
        );
      } finally {
        expect(await account.run(["stop"])).toMatchObject({ code: 0 });
      }
      expect(existsSync(account.runtime)).toBe(true);
    });
  }
});
