import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { Terminal } from "../support/terminal.ts";
import { attachmentsOf } from "../support/v2-attachment.ts";
import { V2Gateway } from "../support/v2-gateway.ts";
import type { V2Shell } from "../support/v2-shell.ts";
import { settled, until, within } from "../support/wait.ts";
import { ENTRY, rexec } from "./support/cli.ts";
import { namedPipe, rssOf, sha256, start, startInto, text } from "./support/running.ts";

/** `rexec connect` on a terminal of its own, and the shell behind it. */
async function connected(gateway: V2Gateway, args: string[] = ["connect", "box"]) {
  const terminal = new Terminal([process.execPath, ENTRY, ...args], { env: gateway.env });
  const shell = await until(() => [...gateway.shells.values()].at(-1), 8_000, "a shell");
  await until(() => attachmentsOf(shell).length > 0, 5_000, "somebody attached");
  return { terminal, shell };
}

/** A new shell greets, so that a test knows when it can be seen. */
const greeting = (shell: V2Shell) => shell.write("ready$ ");

setDefaultTimeout(15_000);

describe("the protocol", () => {
  test("is offered as rexec.v2 and rexec.v1, and nothing but rexec.v2 once it was spoken", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    gateway.cut();
    await until(() => gateway.attaches >= 2, 5_000, "the reconnect");
    expect(gateway.offered[0]).toBe("rexec.v2, rexec.v1");
    expect(gateway.offered[1]).toBe("rexec.v2");
    const attaches = gateway.heard.filter((message) => message.type === "attach");
    expect(attaches[0]).toMatchObject({ session: "main", create: true, cols: 100, rows: 30 });
    expect(attaches.at(-1)).toMatchObject({ create: false, instance: shell.instance, cursor: 7 });
    expect(new Set(attaches.map((message) => message.viewer)).size).toBe(1);
  });

  test("is given up with code 1002 where the peer breaks it, and begun anew", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    for (const socket of gateway.sockets) socket.send(new Uint8Array([0x11, 0xff]));
    await until(() => gateway.attaches >= 2, 5_000, "the reconnect");
    shell.write("after");
    await terminal.see("after");
    expect(terminal.shown).not.toContain("1002");
  });
});

describe("output", () => {
  test("is exact over 100 cuts, on a terminal", async () => {
    await using gateway = new V2Gateway();
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    const body = text(6_000_000);
    shell.write("<BEGIN>");
    await terminal.see("<BEGIN>");
    for (let cut = 0; cut < 100; cut += 1) {
      const before = gateway.attaches;
      const from = Math.floor((body.length * cut) / 100);
      shell.write(body.subarray(from, Math.floor((body.length * (cut + 1)) / 100)));
      await until(() => gateway.cut() > 0, 5_000, "a connection to cut");
      await until(() => gateway.attaches > before, 5_000, "the reconnect");
    }
    shell.write("<END>");
    await terminal.see("<END>", 20_000);
    const shown = terminal.shown.slice(
      terminal.shown.indexOf("<BEGIN>") + 7,
      terminal.shown.indexOf("<END>"),
    );
    expect(shown.length).toBe(body.length);
    expect(sha256(shown)).toBe(sha256(body));
  }, 120_000);

  test("that was written while the line was cut is there, and then the exit code", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    await gateway.down();
    shell.write("last words\r\n");
    shell.finish({ exit_code: 42, signal: null });
    gateway.up();
    await terminal.see("last words");
    expect(await terminal.exit()).toEqual({ exitCode: 42, signal: null });
  });

  test("all comes before the exit code, and a signal is 128 and its number", async () => {
    const body = text(3_000_000);
    await using gateway = new V2Gateway({
      onShell(shell) {
        shell.write(body);
        shell.finish({ exit_code: null, signal: "SIGKILL" });
      },
    });
    const ran = await rexec(["connect", "box"], gateway.env);
    expect(ran.code).toBe(137);
    expect(sha256(ran.stdout)).toBe(sha256(body));
  });

  test("is taken no faster than stdout takes it, in flat memory", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    using pipe = namedPipe();
    await using child = startInto(pipe.fd, ["connect", "box"], gateway.env, "pipe");
    const shell = await until(() => [...gateway.shells.values()][0], 8_000, "a shell");
    const cursor = () => attachmentsOf(shell)[0]?.cursors[0];
    await until(() => cursor()?.consumed === 7, 5_000, "the first ack");
    const idle = rssOf(child.pid);
    const body = text(48 * 1024 * 1024);
    shell.write(body);
    // Nobody reads: what may be sent is sent, and then nothing any more.
    await until(() => (cursor()?.sent ?? 0) > 0, 10_000, "the flow");
    await settled(() => cursor()?.sent ?? 0, 10_000, "the flow to stop", 500);
    expect(cursor()?.sent).toBeLessThan(1.3 * 1024 * 1024);
    expect(cursor()?.consumed).toBeLessThan(200_000);
    expect(rssOf(child.pid) - idle).toBeLessThan(20);
    let most = 0;
    const hash = new Bun.CryptoHasher("sha256");
    for (let read = 0; read < body.length + 7; ) {
      const chunk = await pipe.read();
      hash.update(chunk);
      read += chunk.length;
      most = Math.max(most, rssOf(child.pid));
    }
    expect(hash.digest("hex")).toBe(sha256(Buffer.concat([Buffer.from("ready$ "), body])));
    expect(most - idle).toBeLessThan(40);
    shell.finish({ exit_code: 0, signal: null });
    expect(await child.exited).toBe(0);
  }, 60_000);

  test("that is gone for good is marked once, with how much it was", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    gateway.tolerant = true;
    for (const socket of gateway.sockets) socket.send(new Uint8Array([0x51, 0, 7, 100]));
    await terminal.see("93 bytes of output were skipped here");
    for (const socket of gateway.sockets) socket.send(new Uint8Array([0x11, 0, 100, 0x6f, 0x6b]));
    await terminal.see("ok");
    expect(terminal.shown.match(/skipped/g)?.length).toBe(1);
    shell.finish({ exit_code: 0, signal: null });
  });

  test("may come compressed", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    gateway.tolerant = true;
    const plain = Buffer.from("squeezed ".repeat(10));
    const frame = Buffer.concat([new Uint8Array([0x21, 0, 7, plain.length]), Bun.zstdCompressSync(plain)]);
    for (const socket of gateway.sockets) socket.send(frame);
    await terminal.see(plain.toString());
    const liar = Buffer.concat([new Uint8Array([0x21, 0, 97, 9]), Bun.zstdCompressSync(new Uint8Array(1e6))]);
    const before = gateway.attaches;
    for (const socket of gateway.sockets) socket.send(liar);
    await until(() => gateway.attaches > before, 5_000, "a new connection");
  });
});

describe("a screen", () => {
  test("stands for everything before it, and live bytes follow", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const first = await connected(gateway);
    await using _ = first.terminal;
    await first.terminal.see("ready$ ");
    first.shell.write("x".repeat(5_000));
    first.shell.picture = { bytes: Buffer.from(`PICTURE${"p".repeat(5_000)}/PICTURE`), skipped: 0 };
    await using second = new Terminal([process.execPath, ENTRY, "connect", "box"], { env: gateway.env });
    await second.see(/\x1b\[H\x1b\[JPICTUREp{5000}\/PICTURE$/);
    first.shell.write("LIVE");
    await second.see("/PICTURELIVE".slice(8));
    expect(second.shown).not.toContain("xxx");
    expect(second.shown).not.toContain("ready$");
    expect(second.shown).not.toContain("skipped");
  });

  test("that is cut off before its end is asked for anew: what lies before it was never shown", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const first = await connected(gateway);
    await using _ = first.terminal;
    await first.terminal.see("ready$ ");
    first.shell.picture = {
      bytes: Buffer.from(`PICTURE${"p".repeat(5_000)}/PICTURE`),
      skipped: 0,
      cutAt: 3_000,
    };
    await using second = new Terminal([process.execPath, ENTRY, "connect", "box"], { env: gateway.env });
    await second.see(/\x1b\[JPICTUREp{5000}\/PICTURE$/);
    const attaches = gateway.heard.filter((message) => message.type === "attach");
    expect(attaches.slice(-2).map(({ cursor }) => cursor)).toEqual([undefined, undefined]);
    expect(attaches.at(-1)).toMatchObject({ create: false, instance: first.shell.instance });
    gateway.cut();
    first.shell.write("LIVE");
    await second.see("LIVE");
    expect(second.shown.match(/PICTUREp/g)).toHaveLength(1);
  });

  test("takes the place of what has not been shown, leaves a full-screen program, and says what was skipped", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    shell.write("\x1b[?1049h\x1b[?25lFULL");
    await terminal.see("FULL");
    shell.picture = { bytes: Buffer.from("FRESH"), skipped: 0 };
    attachmentsOf(shell)[0]?.showScreen(123_456);
    await terminal.see(/\x1b\[\?1049l.*\x1b\[\?25h.*\x1b\[JFRESH/s);
    await terminal.see("123456 bytes of output were skipped here");
    shell.write("and on");
    await terminal.see("and on");
  });

  test("of an older moment than what was shown is followed by the bytes after it once more", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    const [socket] = gateway.sockets;
    const head = { offset: 3, bytes: 3, cols: 80, rows: 24, skipped: 0 };
    socket?.send(JSON.stringify({ type: "screen", channel: 0, ...head }));
    socket?.send(new Uint8Array([0x61, 0, 0, 0x72, 0x65, 0x61]));
    socket?.send(Buffer.from([0x11, 0, 3, ...Buffer.from("dy$ ")]));
    await terminal.see(/\x1b\[Jready\$ /);
    expect(shell.end).toBeNull();
  });
});

describe("input", () => {
  test.each(["a paste on a terminal", "a pipe"])(
    "of 5 MB arrives once over cuts: %s",
    async (how) => {
      await using gateway = new V2Gateway({ onShell: greeting });
      const body = text(5_000_000, 7);
      const piped = how === "a pipe";
      await using child = piped ? start(["connect", "box"], gateway.env, "pipe") : null;
      await using terminal = piped
        ? null
        : new Terminal([process.execPath, ENTRY, "connect", "box"], { env: gateway.env });
      const shell = await until(() => [...gateway.shells.values()][0], 8_000, "a shell");
      await terminal?.see("ready$ ");
      const typing = (async () => {
        for (let at = 0; at < body.length; at += 100_000) {
          const piece = body.subarray(at, at + 100_000);
          await terminal?.type(piece);
          child?.stdin?.write(piece);
          await child?.stdin?.flush();
        }
      })();
      let cuts = 0;
      let next = 100_000;
      shell.onInput = () => {
        if (shell.inputBytes < next) return;
        next = shell.inputBytes + 200_000;
        cuts += gateway.cut();
      };
      const came = () => `the end of the input; ${shell.inputBytes} came`;
      await until(() => shell.inputBytes >= body.length, 90_000, came);
      await typing;
      expect(cuts).toBeGreaterThan(15);
      expect(shell.inputBytes).toBe(body.length);
      expect(shell.inputHash.digest("hex")).toBe(sha256(body));
    },
    120_000,
  );

  test("that is typed while the line is cut arrives once, afterwards", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    await terminal.type("before ");
    await until(() => shell.typed === "before ", 5_000, "input");
    await gateway.down();
    await terminal.type("during ");
    await Bun.sleep(300);
    gateway.up();
    await until(() => shell.typed.length >= 14, 5_000, "input");
    await terminal.type("after");
    await until(() => shell.typed.endsWith("after"), 5_000, "input");
    expect(shell.typed).toBe("before during after");
  });

  test("goes to no other shell of the same name: it is dropped, and that is said", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    await gateway.down();
    await terminal.type("rm -rf x\r");
    gateway.shells.delete("main");
    gateway.up();
    await terminal.see("error: the shell is gone, and 9 bytes typed meanwhile were not delivered");
    expect((await terminal.exit()).exitCode).toBe(255);
    expect(gateway.shells.size).toBe(0);
    expect(shell.typed).toBe("");
  });

  test("of a viewer that was forgotten is said to be doubtful, and goes on", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    await terminal.type("abc");
    await until(() => shell.typed === "abc", 5_000, "input");
    await gateway.down();
    await terminal.type("de");
    await Bun.sleep(100);
    const [viewer] = gateway.heard.flatMap((message) => (message.type === "attach" ? [message.viewer] : []));
    shell.forget(viewer ?? "");
    gateway.up();
    await terminal.see("2 bytes of input may not have arrived");
    await terminal.type("fg");
    await until(() => shell.typed === "abcfg", 5_000, "input");
  });

  test("of the last moment arrives before the viewer leaves, and leaving is announced", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    await terminal.type(`exec sleep 60\r\x1d`);
    expect((await terminal.exit()).exitCode).toBe(0);
    expect(shell.typed).toBe("exec sleep 60\r");
    expect(gateway.heard.at(-1)?.type).toBe("detach");
    expect(terminal.shown).toContain("left box; its shell lives on (rexec connect box)");
  });
});

describe("the line", () => {
  test("is given up after seconds of silence, and made anew", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    await using proxy = await TcpProxy.to(gateway.port);
    const env = { ...gateway.env, REXEC_HOST: `http://127.0.0.1:${proxy.port}` };
    await using terminal = new Terminal([process.execPath, ENTRY, "connect", "box"], { env });
    await terminal.see("ready$ ");
    const attaches = gateway.attaches;
    proxy.stall(true);
    const began = performance.now();
    await terminal.see(/trying again/, 20_000);
    expect(performance.now() - began).toBeLessThan(15_000);
    proxy.stall(false);
    const back = performance.now();
    [...gateway.shells.values()][0]?.write("caught up");
    await terminal.see("caught up", 5_000);
    expect(performance.now() - back).toBeLessThan(2_500);
    expect(gateway.attaches).toBeGreaterThan(attaches);
  }, 40_000);

  test("is given up sooner where that is asked for", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    await using proxy = await TcpProxy.to(gateway.port);
    const env = { ...gateway.env, REXEC_HOST: `http://127.0.0.1:${proxy.port}` };
    const args = ["connect", "box", "--dead-after", "800ms"];
    await using terminal = new Terminal([process.execPath, ENTRY, ...args], { env });
    await terminal.see("ready$ ");
    proxy.stall(true);
    const [near] = gateway.sockets;
    const began = performance.now();
    await until(() => proxy.connections > 1 || near?.readyState !== 1, 5_000, "another connection");
    expect(performance.now() - began).toBeLessThan(3_000);
    proxy.stall(false);
  });

  test("is left with a word by a viewer that is told to end", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    process.kill(terminal.pid, "SIGTERM");
    expect((await terminal.exit()).exitCode).toBe(143);
    expect(gateway.heard.at(-1)?.type).toBe("detach");
  });

  test("can be left while it is down", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    await gateway.down();
    await Bun.sleep(300);
    await terminal.type("\x1d");
    expect((await terminal.exit(4_000)).exitCode).toBe(0);
    gateway.up();
  });

  test("tells of an agent that comes and goes, and sends input again from where it says", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    gateway.broadcast({ type: "agent_status", status: "offline" });
    await terminal.see("box went offline");
    await terminal.type("kept");
    await Bun.sleep(200);
    expect(shell.typed).toBe("");
    const attached = { info: shell.info, starts: [7, 0] as [number, number], input: 0, created: false };
    gateway.broadcast({ type: "attached", channel: 0, ...attached });
    for (const socket of gateway.sockets) socket.send(new Uint8Array([0x30, 0, 0, 100]));
    await until(() => shell.typed === "kept", 5_000, "input");
  });

  test("tells nobody of an agent that is back within a second, as after a restart in place", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    gateway.broadcast({ type: "agent_status", status: "offline" });
    gateway.broadcast({ type: "agent_status", status: "online" });
    const attached = { info: shell.info, starts: [7, 0] as [number, number], input: 0, created: false };
    gateway.broadcast({ type: "attached", channel: 0, ...attached });
    await Bun.sleep(2_000); // longer than what a notice waits
    shell.write("and on");
    await terminal.see("and on");
    expect(terminal.shown).not.toMatch(/offline|is back/);
  });

  test("has a full-screen program draw itself anew over word of an agent that was away", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    shell.write("\x1b[?1049hFULL");
    await terminal.see("FULL");
    gateway.broadcast({ type: "agent_status", status: "offline" });
    await terminal.see("box went offline");
    gateway.broadcast({ type: "agent_status", status: "online" });
    const attached = { info: shell.info, starts: [7, 0] as [number, number], input: 0, created: false };
    gateway.broadcast({ type: "attached", channel: 0, ...attached });
    const sizes = () => gateway.heard.flatMap((each) => (each.type === "resize" ? [each.rows] : []));
    await until(() => sizes().length >= 2, 5_000, "two sizes");
    expect(sizes().slice(-2)).toEqual([29, 30]);
  });

  test("says once that the size is another's", async () => {
    await using gateway = new V2Gateway({ onShell: greeting });
    const { terminal, shell } = await connected(gateway);
    await using _ = terminal;
    await terminal.see("ready$ ");
    gateway.broadcast({ type: "size", channel: 0, cols: 70, rows: 24, by: "gateway" });
    gateway.broadcast({ type: "size", channel: 0, cols: 80, rows: 24, by: "someone" });
    await terminal.see("80 by 24");
    gateway.broadcast({ type: "size", channel: 0, cols: 81, rows: 24, by: "someone" });
    shell.write("done");
    await terminal.see("done");
    expect(terminal.shown).not.toMatch(/(70|81) by 24/);
    terminal.resize(90, 20);
    await until(() => shell.resizes.at(-1)?.join() === "90,20", 5_000, "the new size");
  });
});

describe("refusals", () => {
  test.each([
    ["failed", "no shell: no such file", 255],
    ["too_many_sessions", "the session was refused: 64 are the most", 255],
  ] as const)("are told: %s", async (code, message, exitCode) => {
    await using gateway = new V2Gateway({
      onShell(shell) {
        gateway.broadcast({ type: "refused", channel: 0, code, message: message.split(": ")[1] ?? "" });
        shell.write("");
      },
    });
    const ran = await within(rexec(["connect", "box"], gateway.env), 10_000, "the end");
    expect(ran.code).toBe(exitCode);
    expect(ran.stderr).toContain(`error: ${message}`);
  });
});
