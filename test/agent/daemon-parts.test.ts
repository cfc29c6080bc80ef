import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askAgent, askStatus } from "../../src/agent/control/client.ts";
import { ownPlaces, type RuntimePlace, runtimePlaces } from "../../src/agent/control/place.ts";
import { startControl } from "../../src/agent/control/server.ts";
import { lockHolder, takeLock } from "../../src/agent/daemon/lock.ts";
import { appear } from "../../src/agent/daemon/presence.ts";
import { unitInCgroup } from "../../src/agent/daemon/supervisor.ts";
import { follow, lastLines, lastLinesOfAll } from "../../src/agent/daemon/tail.ts";
import { silentLogger } from "../../src/lib/log.ts";
import { recordingLogger } from "../support/agent.ts";
import { until } from "../support/wait.ts";

const folder = mkdtempSync(join(tmpdir(), "rexec-parts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let number = 0;
function freshPlace(): RuntimePlace {
  number += 1;
  const own = join(folder, String(number));
  mkdirSync(own, { mode: 0o700 });
  return { folder: own, socket: join(own, "agent.sock"), pid: join(own, "agent.pid") };
}

describe("the places of a running agent", () => {
  const env = { HOME: "/home/ada", XDG_RUNTIME_DIR: "/run/user/1000" };

  test("are root's own folder, else XDG_RUNTIME_DIR and then the home; never /tmp", () => {
    const folders = (all: RuntimePlace[]) => all.map((place) => place.folder);
    expect(folders(ownPlaces("/etc/rexec/agent.yaml", env, 0))).toEqual(["/run/rexec"]);
    const config = "/home/ada/.rexec/agent.json";
    expect(folders(ownPlaces(config, env, 1000))).toEqual(["/run/user/1000/rexec", "/home/ada/.rexec/run"]);
    expect(folders(ownPlaces(config, { HOME: "/home/ada" }, 1000))).toEqual(["/home/ada/.rexec/run"]);
    // After `su`, an agent that was started in a login of its own is found all the same.
    expect(folders(runtimePlaces(config, { HOME: "/home/ada" }, 1000))).toContain("/run/user/1000/rexec");
  });

  test("carry the configuration's identity in their names, plain for the default file", () => {
    const socket = (config: string) => ownPlaces(config, env, 1000)[0].socket;
    expect(socket("/home/ada/.rexec/agent.json")).toBe("/run/user/1000/rexec/agent.sock");
    expect(socket("/srv/a.yaml")).toMatch(/\/agent-[0-9a-f]{8}\.sock$/);
    expect(socket("/srv/a.yaml")).not.toBe(socket("/srv/b.yaml"));
  });
});

describe("the lock", () => {
  test("is given once, tells who has it, and is free when it is given back", async () => {
    const place = freshPlace();
    expect(lockHolder(place)).toBe(null);
    const lock = await takeLock(place);
    expect(lockHolder(place)?.process?.pid).toBe(process.pid);
    // Even where the disk was too full for the number.
    writeFileSync(place.pid, "");
    expect(lockHolder(place)?.process?.pid).toBe(process.pid);
    lock[Symbol.dispose]();
    expect(lockHolder(place)).toBe(null);
    expect(existsSync(place.pid)).toBe(false);
    (await takeLock(place))[Symbol.dispose]();
  });

  test("is refused to a second process with the first one's pid, until that is gone", async () => {
    const place = freshPlace();
    const script = `import { takeLock } from "${join(import.meta.dir, "../../src/agent/daemon/lock.ts")}";
      await takeLock({ pid: "${place.pid}" }); console.log("held"); setInterval(() => {}, 1000);`;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", stderr: "inherit" });
    try {
      await child.stdout.getReader().read();
      expect(takeLock(place)).rejects.toThrow(`runs already (pid ${child.pid})`);
      await until(() => lockHolder(place) !== null, 1_000, "the lock to be seen");
    } finally {
      child.kill("SIGKILL");
      await child.exited;
    }
    const lock = await takeLock(place);
    expect(readFileSync(place.pid, "utf8")).toBe(`${process.pid}\n`);
    lock[Symbol.dispose]();
  });
});

describe("the control socket", () => {
  test("answers its owner, refuses what it does not know, and lives on", async () => {
    const place = freshPlace();
    using _server = await startControl({
      place,
      logger: silentLogger,
      handlers: { continue: () => ({ fine: true }) },
    });
    expect((statSync(place.socket).mode & 0o777).toString(8)).toBe("600");
    expect(await askAgent(place, { do: "continue" })).toEqual({ ok: true, fine: true });
    expect(await askAgent(place, { do: "restart" })).toMatchObject({ ok: false, code: "unsupported" });
    for (const garbage of ["\n", "{\n", '{"do":"fly"}\n', `${"x".repeat(100_000)}`]) {
      const answer = Promise.withResolvers<string>();
      const socket = await Bun.connect({
        unix: place.socket,
        socket: { data: (_, bytes) => answer.resolve(bytes.toString()), close: () => answer.resolve("") },
      });
      socket.write(garbage);
      expect(await answer.promise).toContain('"ok":false');
      socket.end();
    }
    expect(await askAgent(place, { do: "continue" })).toEqual({ ok: true, fine: true });
  });

  test("of a living agent is not taken, that of a dead one is", async () => {
    const place = freshPlace();
    const options = { place, logger: silentLogger, handlers: {} };
    const script = `Bun.listen({ unix: "${place.socket}", socket: { data() {} } }); process.kill(process.pid, "SIGKILL")`;
    await Bun.spawn([process.execPath, "-e", script]).exited;
    expect(existsSync(place.socket)).toBe(true);
    expect(await askStatus(place)).toBe(null);
    using _server = await startControl(options);
    expect(startControl(options)).rejects.toThrow("runs already");
    expect(await askAgent(place, { do: "status" })).toMatchObject({ code: "unsupported" });
  });
});

describe("an agent's presence", () => {
  test("is made anew where its folder was removed, as /run/user/UID is at a logout", async () => {
    const [first, second] = [freshPlace(), freshPlace()];
    const logger = recordingLogger();
    const options = { places: [first, second], logger, handlers: {}, isRequired: true, lookMs: 20 };
    using presence = await appear(options);
    expect(presence).not.toBe(null);
    rmSync(first.folder, { recursive: true });
    writeFileSync(first.folder, "no folder any more");
    await until(() => lockHolder(second) !== null, 5_000, "the second place to be used");
    expect(await askAgent(second, { do: "continue" })).toMatchObject({ ok: false });
    expect(logger.lines.join("\n")).toContain(`its pid file was removed: it is now ${second.pid}`);
  });

  test("in a folder that others may write to is refused", async () => {
    const place = freshPlace();
    Bun.spawnSync(["chmod", "777", place.folder]);
    const options = { places: [place], logger: silentLogger, handlers: {}, isRequired: true };
    expect(appear(options)).rejects.toThrow("others may write to it (mode 777)");
  });
});

describe("the log of an agent in the background", () => {
  /** Writes lines through `LogFile`, as a daemon has it: stderr is the file already. */
  async function write(path: string, lines: number, before = ""): Promise<void> {
    const script = `import { LogFile } from "${join(import.meta.dir, "../../src/agent/daemon/log-file.ts")}";
      const log = new LogFile({ path: "${path}", limit: 1000 }); ${before}
      for (let i = 0; i < ${lines}; i++) log.write("line " + String(i).padStart(4, "0") + "\\n");`;
    const fd = openSync(path, "a");
    const child = Bun.spawn([process.execPath, "-e", script], { stdio: ["ignore", fd, fd] });
    expect(await child.exited).toBe(0);
  }

  test("never grows past its bound, and keeps the two files before it", async () => {
    const path = join(freshPlace().folder, "agent.log");
    await write(path, 1000);
    const files = [path, `${path}.1`, `${path}.2`];
    for (const file of files) expect(statSync(file).size).toBeLessThanOrEqual(1000);
    expect(existsSync(`${path}.3`)).toBe(false);
    expect(lastLinesOfAll(path, 150)).toEqual(
      Array.from({ length: 150 }, (_, index) => `line ${String(850 + index).padStart(4, "0")}`),
    );
    expect(lastLines(path, 1)).toEqual(["line 0999"]);
  });

  test("begins again where somebody removed it or put it aside", async () => {
    const path = join(freshPlace().folder, "agent.log");
    await write(
      path,
      3,
      `log.write("first\\n"); (await import("node:fs")).renameSync("${path}", "${path}.old");`,
    );
    expect(readFileSync(`${path}.old`, "utf8")).toBe("first\n");
    expect(readFileSync(path, "utf8")).toBe("line 0000\nline 0001\nline 0002\n");
  });

  test("is followed from one file to the next without a line lost or twice", async () => {
    const path = join(freshPlace().folder, "agent.log");
    writeFileSync(path, "old\n");
    const stop = new AbortController();
    const { added } = follow(path, stop.signal);
    let shown = "";
    const reading = (async () => {
      for await (const bytes of added) shown += Buffer.from(bytes).toString();
    })();
    for (let file = 0; file < 3; file += 1) {
      appendFileSync(path, `${file} a\n`);
      await until(() => shown.includes(`${file} a\n`), 5_000, "the first line of a file");
      appendFileSync(path, `${file} b\n`);
      renameSync(path, `${path}.1`);
      writeFileSync(path, "");
    }
    await until(() => shown.includes("2 b\n"), 5_000, "the last line");
    stop.abort();
    await reading;
    expect(shown).toBe("0 a\n0 b\n1 a\n1 b\n2 a\n2 b\n");
  });
});

describe("who runs an agent", () => {
  test("is read from its cgroup", () => {
    expect(unitInCgroup("0::/system.slice/rexec-agent.service\n")).toEqual({
      name: "rexec-agent.service",
      scope: "system",
    });
    expect(
      unitInCgroup("0::/user.slice/user-1000.slice/user@1000.service/app.slice/rexec-agent.service\n"),
    ).toEqual({
      name: "rexec-agent.service",
      scope: "user",
    });
    expect(unitInCgroup("12:pids:/x\n1:name=systemd:/system.slice/my.service\n")).toEqual({
      name: "my.service",
      scope: "system",
    });
    expect(unitInCgroup("0::/user.slice/user-1000.slice/session-3.scope\n")).toBe(null);
  });
});
