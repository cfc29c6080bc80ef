import { describe, expect, test } from "bun:test";
import { constants } from "node:os";
import { EXEC_STDIN_BYTES } from "../../src/protocol/limits.ts";
import { until, within } from "../support/wait.ts";
import { ENTRY, loggedIn, rexec } from "./support/cli.ts";
import { agent, runLikeOurAgent, V1Server } from "./support/v1-server.ts";

/** A child that is watched while it runs. */
function start(args: string[], env: Record<string, string>, stdin: "ignore" | "pipe" = "ignore") {
  return Bun.spawn([process.execPath, ENTRY, ...args], { env, stdin, stdout: "pipe", stderr: "pipe" });
}

describe("exec", () => {
  test("keeps stdout and stderr apart, byte for byte, and hands on the exit code", async () => {
    await using server = new V1Server();
    const ran = await rexec(
      ["exec", "box", "--", "sh", "-c", "printf '\\000\\377out'; printf err >&2; exit 7"],
      loggedIn(server.url),
    );
    expect(ran).toMatchObject({ code: 7, stderr: "err" });
    expect(ran.stdout).toEqual(Buffer.from([0, 0xff, ...Buffer.from("out")]));
    expect(server.queries[0]).toContain("exec=1");
    expect(server.sessions.size).toBe(0);
  });

  test("exits with 128 and the number of the signal that ended the command", async () => {
    await using server = new V1Server();
    const ran = await rexec(["exec", "box", "--", "sh", "-c", "kill -SEGV $$"], loggedIn(server.url));
    expect(ran.code).toBe(128 + constants.signals.SIGSEGV);
  });

  test("hands on stdin, folder and environment", async () => {
    await using server = new V1Server();
    const env = loggedIn(server.url, { HERE: "from here" });
    const line = 'cat; pwd; echo "$A|$HERE"';
    const args = ["exec", "box", "--cwd", "/usr", "-e", "A=a b", "-e", "HERE", "--", "sh", "-c", line];
    const ran = await rexec(args, env, Buffer.from([1, 2, 0xff, 10]));
    expect(ran.stdout).toEqual(
      Buffer.concat([Buffer.from([1, 2, 0xff, 10]), Buffer.from("/usr\na b|from here\n")]),
    );
  });

  test("sends no stdin with -n", async () => {
    await using server = new V1Server();
    const ran = await rexec(["exec", "-n", "box", "--", "wc", "-c"], loggedIn(server.url), "not read");
    expect(ran.stdout.toString().trim()).toBe("0");
  });

  test("refuses more stdin than can be sent, before it is sent", async () => {
    const asked: string[] = [];
    await using server = new V1Server({
      exec: async ({ command }) => {
        asked.push(command);
        return null;
      },
    });
    const ran = await rexec(
      ["exec", "box", "--", "cat"],
      loggedIn(server.url),
      new Uint8Array(EXEC_STDIN_BYTES + 1),
    );
    expect(ran.code).toBe(255);
    expect(ran.stderr).toContain("stdin is larger than the 16 MiB");
    expect(asked).toEqual([]);
  });

  test("says that it waits where nobody ends stdin", async () => {
    await using server = new V1Server();
    const child = start(["exec", "box", "--", "cat"], loggedIn(server.url), "pipe");
    const text = await within(firstChunk(child.stderr), 5_000, "the hint");
    expect(text).toContain("waiting for the end of stdin (-n sends none)");
    await child.stdin?.end();
    expect(await within(child.exited, 3_000, "the end")).toBe(0);
  });

  test("ends a command that takes too long: exit code 124", async () => {
    await using server = new V1Server();
    const ran = await rexec(["exec", "box", "--timeout", "200ms", "--", "sleep", "60"], loggedIn(server.url));
    expect(ran.code).toBe(124);
    expect(ran.stderr).toContain("the time was up");
  });

  test("tells what was cut", async () => {
    await using server = new V1Server({
      exec: async (request) => ({ ...(await runLikeOurAgent(request)), truncated: true }),
    });
    const ran = await rexec(["exec", "box", "--", "echo", "x"], loggedIn(server.url));
    expect(ran.stdout.toString()).toBe("x\n");
    expect(ran.stderr).toContain("longer than a result can carry");
  });

  test("is interrupted by Ctrl-C: exit code 130", async () => {
    const { promise: asked, resolve } = Promise.withResolvers<void>();
    await using server = new V1Server({
      exec: async () => {
        resolve();
        return null;
      },
    });
    const child = start(["exec", "box", "--", "sleep", "60"], loggedIn(server.url));
    await within(asked, 5_000, "the command");
    child.kill("SIGINT");
    expect(await within(child.exited, 3_000, "the end")).toBe(130);
    expect(await child.stderr.text()).toContain("may go on running on box");
  });

  test.each(["cut", "agent gone"])(
    "says that the command may have run where the connection is lost: %s",
    async (how) => {
      await using server = new V1Server({
        exec: async (_, socket) => {
          if (how === "cut") socket.terminate();
          else socket.send(JSON.stringify({ type: "agent_status", data: { status: "offline" } }));
          return null;
        },
      });
      const ran = await rexec(["exec", "box", "--", "reboot"], loggedIn(server.url));
      expect(ran.code).toBe(255);
      expect(ran.stderr).toContain("the connection was lost before the result came");
      expect(ran.stderr).toContain("may have run");
    },
  );

  test("says what to do where the machine is offline", async () => {
    await using server = new V1Server({ agents: [agent("box", { status: "offline" })] });
    const ran = await rexec(["exec", "box", "--", "ls"], loggedIn(server.url));
    expect(ran).toMatchObject({ code: 255 });
    expect(ran.stderr).toBe("error: box is offline\nhint: start its agent there: rexec-agent start\n");
  });

  test("prints one JSON object where that is asked for, and still exits as the command did", async () => {
    await using server = new V1Server();
    const ran = await rexec(
      ["exec", "box", "--json", "--", "sh", "-c", "printf '\\377'; exit 3"],
      loggedIn(server.url),
    );
    expect(ran.code).toBe(3);
    expect(JSON.parse(ran.stdout.toString())).toMatchObject({
      agent: { name: "box" },
      success: false,
      exit_code: 3,
      stdout: "\ufffd",
      stdout_base64: "/w==",
      stderr: "",
      timed_out: false,
    });
  });

  test("explains a whole line of shell that was given as one word", async () => {
    await using server = new V1Server();
    const ran = await rexec(["exec", "box", "--", "ls | wc"], loggedIn(server.url));
    expect(ran.code).toBe(127);
    expect(ran.stderr).toContain("-- sh -c '…'");
  });

  test("finds its own result among those of others", async () => {
    await using server = new V1Server({
      exec: async (request, socket) => {
        const other = { command: request.command, output: "", success: true, id: "another", stdout: "AAAA" };
        socket.send(JSON.stringify({ type: "exec_result", data: other }));
        socket.send("not json");
        socket.send(JSON.stringify({ type: "from_the_future", data: 1 }));
        return runLikeOurAgent(request);
      },
    });
    expect((await rexec(["exec", "box", "--", "echo", "mine"], loggedIn(server.url))).stdout.toString()).toBe(
      "mine\n",
    );
  });
});

describe("exec with another make of agent", () => {
  test("prints what came together on stdout, and reads the exit code from the error", async () => {
    await using server = new V1Server({
      exec: async ({ command }) => ({ command, output: "both\n", success: false, error: "exit status 42" }),
    });
    const ran = await rexec(["exec", "box", "--", "x"], loggedIn(server.url));
    expect({ ...ran, stdout: ran.stdout.toString() }).toEqual({ code: 42, stdout: "both\n", stderr: "" });
  });

  test.each([
    [["--cwd", "/"], null],
    [["--timeout", "9s"], null],
    [["-e", "A=b"], null],
    [[], "stdin"],
    [["-n", "--cwd", "/", "--json"], "stdin"],
  ])("is not run where it would ignore %p and stdin %p, unless that is allowed", async (options, stdin) => {
    const ran: string[] = [];
    await using server = new V1Server({
      exec: async ({ command }) => {
        ran.push(command);
        return { command, output: "", success: true };
      },
    });
    const refused = await rexec(["exec", "box", ...options, "--", "x"], loggedIn(server.url), stdin);
    expect(refused.code).toBe(255);
    expect(refused.stdout.length).toBe(0);
    expect(refused.stderr).toContain("ignored --timeout, --cwd, --env and stdin");
    expect(refused.stderr).toContain("--allow-basic");
    expect(ran).not.toContain("x");
    const words = ["exec", "box", ...options.filter((word) => word !== "--json"), "--allow-basic", "--", "x"];
    const allowed = await rexec(words, loggedIn(server.url), stdin);
    expect(allowed.code).toBe(0);
    expect(allowed.stderr).toContain("ignored --timeout, --cwd, --env and stdin");
    expect(ran).toContain("x");
  });

  test("runs there what needs none of that, without asking first; an empty stdin is none", async () => {
    const ran: string[] = [];
    await using server = new V1Server({
      exec: async ({ command }) => {
        ran.push(command);
        return { command, output: "", success: true };
      },
    });
    expect(await rexec(["exec", "box", "--", "x"], loggedIn(server.url), "")).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect(ran).toEqual(["x"]);
  });

  test("says why a command never ran", async () => {
    await using server = new V1Server({
      exec: async ({ command }) => ({ command, output: "", success: false, error: "fork: no memory" }),
    });
    const ran = await rexec(["exec", "box", "--", "x"], loggedIn(server.url));
    expect(ran).toMatchObject({ code: 255, stderr: "rexec: fork: no memory\n" });
  });
});

describe("large output", () => {
  const text = Array.from({ length: 30_000 }, (_, line) => `${line} ${"x".repeat(993)}\n`).join("");

  test("of 30 MB goes through a slow pipe whole", async () => {
    await using server = new V1Server({
      exec: async ({ command }) => ({ command, output: text, success: true }),
    });
    const script = `"$0" "$1" exec box -- big | (sleep 1; sha256sum); echo "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["/bin/bash", "-c", script, process.execPath, ENTRY], {
      env: loggedIn(server.url),
      stdin: "ignore",
      stdout: "pipe",
    });
    const hash = new Bun.CryptoHasher("sha256").update(text).digest("hex");
    expect(await child.stdout.text()).toBe(`${hash}  -\n0\n`);
  }, 20_000);

  test("of both streams at once arrives whole", async () => {
    await using server = new V1Server();
    const line = "head -c 15000000 /dev/zero; head -c 15000000 /dev/zero | tr '\\0' e >&2";
    const ran = await rexec(["exec", "box", "--", "sh", "-c", line], loggedIn(server.url));
    expect([ran.code, ran.stdout.length, ran.stderr.length]).toEqual([0, 15_000_000, 15_000_000]);
  }, 20_000);

  test("ends quietly where the reader has left", async () => {
    await using server = new V1Server({
      exec: async ({ command }) => ({ command, output: text, success: true }),
    });
    const script = `"$0" "$1" exec box -- big | head -1 | cut -c1-3; echo "\${PIPESTATUS[0]}"`;
    const child = Bun.spawn(["/bin/bash", "-c", script, process.execPath, ENTRY], {
      env: loggedIn(server.url),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    expect(await child.stdout.text()).toBe("0 x\n141\n");
    expect(await child.stderr.text()).toBe("");
  }, 20_000);
});

test("nothing is left behind by a command: socket and session are gone", async () => {
  await using server = new V1Server();
  await rexec(["exec", "box", "--", "true"], loggedIn(server.url));
  await until(() => server.sockets.size === 0, 2_000, "the socket to close");
  expect(server.sessions.size).toBe(0);
});

async function firstChunk(stream: ReadableStream<Uint8Array>): Promise<string> {
  const { value } = await stream.getReader().read();
  return Buffer.from(value ?? []).toString();
}
