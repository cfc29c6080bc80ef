import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { PtyClosedError } from "../../src/pty/pty.ts";
import { lacks, testUnless, tool } from "../support/needs.ts";
import { within } from "../support/wait.ts";
import { backends, inForeground, open, readAll, readUntil, script } from "./sessions.ts";

setDefaultTimeout(20_000);

describe.each(backends)("a session on the %s backend", (backend) => {
  test("shows what the program prints, and ends with its exit code", async () => {
    const pty = script(backend, "echo hello; exit 3");
    expect((await readAll(pty)).toString()).toBe("hello\r\n");
    expect(await pty.exited).toEqual({ exitCode: 3, signal: null });
  });

  test.each([0, 1, 255])("reports exit code %d exactly", async (code) => {
    const pty = script(backend, `exit ${code}`);
    await readAll(pty);
    expect(await pty.exited).toEqual({ exitCode: code, signal: null });
  });

  test.each(["SIGKILL", "SIGTERM", "SIGSEGV", "SIGABRT", "SIGRTMIN", "SIGRTMIN+7", "SIGRTMAX"])(
    "names the signal that ended it: %s",
    async (signal) => {
      const pty = script(backend, `ulimit -c 0; kill -${signal.slice(3)} $$`);
      await readAll(pty);
      expect(await pty.exited).toEqual({ exitCode: null, signal });
    },
  );

  test("takes keystrokes, and ^C ends the foreground program", async () => {
    const pty = open(backend);
    await readUntil(pty, "$ ");
    await pty.write(Buffer.from("sleep 1000\r"));
    await inForeground(pty.pid, "sleep");
    await pty.write(Buffer.from("\x03"));
    await readUntil(pty, "$ ");
    await pty.write(Buffer.from("echo code $?; exit\r"));
    expect((await readAll(pty)).toString()).toContain("code 130");
  });

  test("gives the program its size, and the new one after a resize", async () => {
    const pty = script(
      backend,
      "stty size; trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.01; done",
      {
        cols: 132,
        rows: 43,
      },
    );
    expect(await readUntil(pty, "ready")).toStartWith("43 132\r\n");
    pty.resize(65_535, 1);
    expect((await readAll(pty)).toString()).toContain("1 65535\r\n");
    pty.resize(80, 24); // after the end: no error
  });

  test("holds an impossible size to what the kernel can take", async () => {
    const pty = script(backend, "stty size", { cols: 70_000, rows: 0 });
    expect((await readAll(pty)).toString()).toBe("1 65535\r\n");
  });

  test("passes all 256 byte values and invalid UTF-8 unchanged in both directions", async () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte);
    const broken = Uint8Array.from([0xc3, 0x28, 0xe2, 0x82, 0xff, 0xfe, 0xed, 0xa0, 0x80]);
    const sent = Buffer.concat([all, broken]);
    const pty = script(backend, `stty raw -echo; printf ready; head -c ${sent.length}`);
    const before = await readUntil(pty, "ready");
    await pty.write(sent);
    const received = Buffer.concat([Buffer.from(before, "latin1"), await readAll(pty)]);
    expect(received.subarray("ready".length).toString("hex")).toBe(sent.toString("hex"));
  });

  test("removes a whole character at a backspace in cooked mode", async () => {
    const pty = script(backend, "read line; printf '<%s>' \"$line\"");
    await pty.write(Buffer.from("aé\x7fb\r"));
    expect((await readAll(pty)).toString()).toContain("<ab>");
  });

  test("gives the program the folder and the environment named, and nothing beside", async () => {
    const pty = open(backend, { file: "/usr/bin/env", cwd: "/usr", env: { A: "1", B: "x=y ü" } });
    expect((await readAll(pty)).toString().split("\r\n").filter(Boolean).sort()).toEqual(["A=1", "B=x=y ü"]);
    const pwd = script(backend, "pwd; trap; grep -E 'Sig(Blk|Ign)' /proc/self/status", { cwd: "/usr" });
    const text = (await readAll(pwd)).toString();
    expect(text).toStartWith("/usr\r\n");
    expect(text.match(/0{16}/g)).toHaveLength(2); // no signal blocked or ignored
  });

  test("has no foreign descriptor, although others are open past a gap", async () => {
    const others = Array.from({ length: 20 }, () => script(backend, "sleep 100"));
    await Promise.all(others.slice(4, 12).map((pty) => pty.close()));
    const pty = script(backend, "ls -l /proc/self/fd; tty");
    const text = (await readAll(pty)).toString();
    expect(text.match(/ -> \/dev\/pts\/\d+/g)).toHaveLength(3);
    expect(text).not.toContain("ptmx");
    expect(text.match(/ -> /g)).toHaveLength(4); // the fourth is the listing's own
    expect(text).toMatch(/\/dev\/pts\/\d+\r\n$/);
    await Promise.all(others.map((pty) => pty.close()));
  });

  const fullScreen = tool("vi") ?? tool("less");
  testUnless(fullScreen === null ? lacks("vi") : null)(
    "runs a full-screen program on the alternate screen",
    async () => {
      const pty = open(backend, { file: fullScreen ?? "", args: ["/etc/passwd"] });
      await readUntil(pty, "root");
      await pty.write(Buffer.from("\x1b:q!\r"));
      await pty.write(Buffer.from("q"));
      const rest = (await readAll(pty)).toString("latin1");
      expect(rest).toContain("\x1b[?1049l");
      expect((await pty.exited).exitCode).toBe(0);
    },
  );

  test("rejects input after the end", async () => {
    const pty = script(backend, "exit 0");
    await readAll(pty);
    await expect(within(pty.write(Buffer.from("x")), 1_000, "the refusal")).rejects.toBeInstanceOf(
      PtyClosedError,
    );
    expect(await pty.read()).toBeNull();
  });
});
