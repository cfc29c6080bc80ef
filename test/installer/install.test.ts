import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * The installer under every shell that `curl … | sh` may meet, against a real HTTP server. What it downloads is a small
 * program that notes how it was called, so that a test can look at arguments, environment and stdin.
 */
const INSTALLER = join(import.meta.dir, "..", "..", "install-agent.sh");
const SHELLS = [["dash"], ["bash"], ["busybox", "sh"]].filter(([name = ""]) => Bun.which(name));
const ARCH = process.arch === "x64" ? "amd64" : "arm64";
const FILE = `rexec-agent-linux-${ARCH}`;
const TOKEN = `rexec_${"ab".repeat(32)}`;

let folder: string;
let files: Record<string, string | undefined>;
let requests: string[];
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    const { pathname } = new URL(request.url);
    requests.push(pathname);
    const body = files[pathname];
    if (body === "500") return new Response("no", { status: 500 });
    return body === undefined ? new Response("not found", { status: 404 }) : new Response(body);
  },
});
const api = server.url.origin;
afterAll(() => server.stop(true));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "rexec-install-"));
  requests = [];
  offer(agentProgram());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each(SHELLS.map((shell) => [shell.join(" "), shell] as const))("under %s", (_, shell) => {
  test("installs the agent that the checksum names, and says what to run next", async () => {
    const { code, out, err } = await install(shell);
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toContain("checksum is right");
    expect(out).toContain(`next: ${join(folder, "bin", "rexec-agent")} register --host ${api}`);
    expect(statSync(join(folder, "bin", "rexec-agent")).mode & 0o777).toBe(0o755);
    expect(readdirSync(join(folder, "bin"))).toEqual(["rexec-agent"]);
  });

  test("registers with name and labels, its token in the environment and not among the arguments", async () => {
    const { code, out } = await install(shell, "--token", TOKEN, "-n", "it's a box", "--labels=a,b c");
    expect(code).toBe(0);
    expect(note("args")).toBe(`register\n--host\n${api}\n--name\nit's a box\n--tags\na,b c\n`);
    expect(note("token")).toBe(TOKEN);
    expect(note("stdin")).toBe("");
    expect(out).toContain("next: ");
    expect(out).toContain("rexec-agent start");
    expect(out).not.toContain(TOKEN);
  });

  test("takes the token from the environment", async () => {
    const { code } = await install(shell, { REXEC_TOKEN: TOKEN });
    expect(code).toBe(0);
    expect(note("token")).toBe(TOKEN);
  });

  test("hands on the exit code of a registration that fails, and keeps the agent", async () => {
    offer(agentProgram(4));
    const { code, err } = await install(shell, "--token", TOKEN);
    expect(code).toBe(4);
    expect(err).toContain("hint: ");
    expect(existsSync(join(folder, "bin", "rexec-agent"))).toBe(true);
  });

  test("refuses a download that is not what the checksum says, and leaves the old agent", async () => {
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin", "rexec-agent"), "old");
    files[`/downloads/${FILE}`] = `${agentProgram()}# changed on the way\n`;
    const { code, err } = await install(shell, "--token", TOKEN);
    expect(code).toBe(1);
    expect(err).toContain("checksum");
    expect(readFileSync(join(folder, "bin", "rexec-agent"), "utf8")).toBe("old");
    expect(readdirSync(join(folder, "bin"))).toEqual(["rexec-agent"]);
  });

  test("refuses where the checksums do not list the file, or cannot be had", async () => {
    files["/downloads/SHA256SUMS"] = `${"0".repeat(64)}  something-else\n`;
    expect((await install(shell)).err).toContain(`does not list ${FILE}`);
    files["/downloads/SHA256SUMS"] = "500";
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).toContain("cannot download");
    expect(existsSync(join(folder, "bin", "rexec-agent"))).toBe(false);
  });

  test("says so where the server has no checksums", async () => {
    files["/downloads/SHA256SUMS"] = undefined;
    const { code, out } = await install(shell);
    expect(code).toBe(0);
    expect(out).toContain("not verified");
  });

  test("names the file that the server does not have", async () => {
    files[`/downloads/${FILE}`] = undefined;
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).toContain(`/downloads/${FILE}`);
    expect(err).toContain("404");
    expect(readdirSync(join(folder, "bin"))).toEqual([]);
  });

  test("does not install what does not run here", async () => {
    offer("#!/nonexistent/interpreter\n");
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).toContain("does not run on this machine");
    expect(readdirSync(join(folder, "bin"))).toEqual([]);
  });

  test("takes over an agent that exists already, in a file that only its owner reads", async () => {
    const config = join(folder, "etc", "agent.yaml");
    const { code, out } = await install(
      shell,
      "-t",
      TOKEN,
      "-i",
      "abc-123",
      "-n",
      'a "b" \\c',
      "-l",
      " x, y ,,z",
    );
    expect(code).toBe(0);
    expect(out).not.toContain(TOKEN);
    expect(Bun.YAML.parse(readFileSync(config, "utf8"))).toEqual({
      api_url: api,
      token: TOKEN,
      agent_id: "abc-123",
      name: 'a "b" \\c',
      labels: ["x", "y", "z"],
    });
    expect(statSync(config).mode & 0o777).toBe(0o600);
    expect(existsSync(join(folder, "args"))).toBe(false);
    await install(shell, "-t", TOKEN, "-i", "def-456");
    expect(readFileSync(`${config}.bak`, "utf8")).toContain("abc-123");
    expect(readFileSync(config, "utf8")).toContain("def-456");
  });

  test("runs nothing where the script arrives cut short, at any line", async () => {
    const lines = readFileSync(INSTALLER, "utf8").trimEnd().split("\n");
    for (const length of [1, 10, 40, 120, Math.floor(lines.length / 2), lines.length - 1]) {
      await run(shell, ["-s"], {}, lines.slice(0, length).join("\n"));
    }
    expect(requests).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each([
    [["--nonsense"], "unknown option --nonsense"],
    [["stray"], "unknown option stray"],
    [["--token"], "--token needs a value"],
    [["--agent-id", "x"], "--agent-id needs"],
    [["--agent-id", 'x"y', "--token", "t"], "is no agent id"],
    [["--token", "a\nb"], "no token"],
    [["--api", "rexec.example.com"], "is no http(s) address"],
    [["--api", "http://localhost:80@evil.example"], "is no address"],
  ])("calls %j a usage error", async (args, said) => {
    const { code, err } = await install(shell, ...args);
    expect(err).toContain(said);
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("refuses a plain http server that is not this machine", async () => {
    for (const address of [
      "http://rexec.example.com",
      "http://localhost.evil.example",
      "http://127.0.0.1.evil.example",
      "http://127.0.0.1.evil.example:80/",
      "http://evil.example/localhost",
    ]) {
      const { code, err } = await install(shell, "--api", address);
      expect(err).toContain("plain http");
      expect(code).toBe(1);
    }
  });

  test.each([
    ["armv7l", "32-bit ARM (uname -m: armv7l)"],
    ["armv6l", "32-bit ARM (uname -m: armv6l)"],
    ["riscv64", "uname -m: riscv64"],
  ])("says on %s that there is no agent for it", async (machine, said) => {
    command("uname", `[ "$1" = -m ] && echo ${machine} || echo Linux`);
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).toContain(said);
    expect(requests).toEqual([]);
  });

  test("sees a 32-bit system under a 64-bit kernel", async () => {
    command("uname", '[ "$1" = -m ] && echo aarch64 || echo Linux');
    command("getconf", "echo 32");
    expect((await install(shell)).err).toContain("32-bit system (uname -m: aarch64)");
  });

  test("shows its options, with the server it came from", async () => {
    const { code, out } = await run(shell, ["-s", "--", "--help"], {}, served());
    expect(code).toBe(0);
    expect(out).toContain(`default: ${api}`);
  });

  test.each(["wget", "busybox"])("uses wget (%s) where there is no curl", async (wget) => {
    // A PATH of just what the script needs, so that curl is not in it.
    const tools = [
      "sh",
      "awk",
      "cat",
      "chmod",
      "dirname",
      "getconf",
      "id",
      "mkdir",
      "mktemp",
      "mv",
      "rm",
      "sed",
      "sha256sum",
      "tail",
      "tr",
      "uname",
    ];
    const path = join(folder, "tools");
    mkdirSync(path);
    const link = (tool: string, name: string) =>
      Bun.spawnSync(["ln", "-s", Bun.which(tool) ?? "/nonexistent", join(path, name)]);
    for (const tool of tools) link(tool, tool);
    link(wget, "wget");
    const { code, out } = await install(shell, { PATH: path });
    expect(code).toBe(0);
    expect(out).toContain("checksum is right");
    files["/downloads/SHA256SUMS"] = undefined;
    expect((await install(shell, { PATH: path })).out).toContain("not verified");
    files["/downloads/SHA256SUMS"] = "500";
    expect((await install(shell, { PATH: path })).err).toContain("cannot download");
  });
});

test("holds the one line that a gateway replaces by its own address", () => {
  const lines = readFileSync(INSTALLER, "utf8").split("\n");
  expect(lines.filter((line) => line === 'REXEC_API_DEFAULT="https://rexec.pipeops.io"')).toHaveLength(1);
});

// --- the harness ---

/** A program in the agent's place: it runs, tells its version, and notes how it was called. */
function agentProgram(registerCode = 0): string {
  return `#!/bin/sh
if [ "$1" = --version ]; then echo "rexec-agent 9.9.9"; exit 0; fi
printf '%s\\n' "$@" >"${folder}/args"
printf '%s' "$REXEC_TOKEN" >"${folder}/token"
cat >"${folder}/stdin"
exit ${registerCode}
`;
}

function offer(program: string): void {
  const sum = new Bun.CryptoHasher("sha256").update(program).digest("hex");
  files = {
    [`/downloads/${FILE}`]: program,
    "/downloads/SHA256SUMS": `${"1".repeat(64)}  other\n${sum}  ${FILE}\n`,
  };
}

function note(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

/** Puts a command in front of the system's. */
function command(name: string, body: string): void {
  mkdirSync(join(folder, "path"), { recursive: true });
  writeFileSync(join(folder, "path", name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(folder, "path", name), 0o755);
}

/** The script as a gateway serves it. */
function served(): string {
  return readFileSync(INSTALLER, "utf8").replace('https://rexec.pipeops.io"\n', `${api}"\n`);
}

/** As `curl … | sh -s -- ARGS`: the script comes through stdin. Objects among the arguments are environment. */
function install(shell: readonly string[], ...args: (string | Record<string, string>)[]) {
  const env = Object.assign({}, ...args.filter((arg) => typeof arg === "object"));
  return run(shell, ["-s", "--", ...args.filter((arg) => typeof arg === "string")], env, served());
}

async function run(shell: readonly string[], args: string[], env: Record<string, string>, script: string) {
  const [name = "sh", ...applet] = shell;
  const child = Bun.spawn([Bun.which(name) ?? name, ...applet, ...args], {
    env: {
      PATH: `${join(folder, "path")}:${process.env.PATH}`,
      HOME: folder,
      REXEC_BIN_DIR: join(folder, "bin"),
      REXEC_CONFIG: join(folder, "etc", "agent.yaml"),
      ...env,
    },
    stdin: new Blob([script]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}
