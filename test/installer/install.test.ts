import { afterAll, afterEach, beforeEach, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeUnless, lacks, testUnless, testWith, tool, whyNoPath } from "../support/needs.ts";
import { Terminal } from "../support/terminal.ts";
import { until, within } from "../support/wait.ts";

/**
 * The installer under every shell that `curl … | sh` may meet, against a real HTTP server. What it downloads is a small
 * program that notes how it was called, so that a test can look at arguments, environment and stdin.
 */
const INSTALLER = join(import.meta.dir, "..", "..", "install-agent.sh");
const SHELLS = [["dash"], ["bash"], ["busybox", "sh"]];
const ARCH = process.arch === "x64" ? "amd64" : "arm64";
const FILE = `rexec-agent-linux-${ARCH}`;
const TOKEN = `rexec_${"ab".repeat(32)}`;

let folder: string;
let files: Record<string, string | Uint8Array | undefined>;
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

for (const shell of SHELLS) {
  const why = lacks(shell[0] ?? "") ?? (tool("curl") ? null : lacks("wget"));
  describeUnless(why)(`under ${shell.join(" ")}`, () => underShell(shell));
}

function underShell(shell: readonly string[]): void {
  const testPath = testUnless(whyNoPath(shell));
  test("installs the agent that the checksum names, and says what to run next", async () => {
    const { code, out, err } = await install(shell);
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toContain("checksum is right");
    expect(out).toContain(`next: ${join(folder, "bin", "rexec-agent")} register --host ${api}`);
    expect(statSync(join(folder, "bin", "rexec-agent")).mode & 0o777).toBe(0o755);
    expect(readdirSync(join(folder, "bin"))).toEqual(["rexec-agent"]);
    expect(existsSync(join(folder, "etc"))).toBe(true);
    expect(called()).toEqual([]);
  });

  test("registers with name and labels, its token in the environment and not among the arguments", async () => {
    const { code, out } = await install(shell, "--token", TOKEN, "-n", "it's a box", "--labels=a,b c");
    expect(code).toBe(0);
    expect(note("args")).toBe(
      `register\n--config\n${config()}\n--host\n${api}\n--name\nit's a box\n--tags\na,b c\n`,
    );
    expect(note("token")).toBe(TOKEN);
    expect(note("stdin")).toBe("");
    expect(out).not.toContain(TOKEN);
  });

  test("starts the agent, and ends once it is connected", async () => {
    const { code, out } = await install(shell, "--token", TOKEN);
    expect(code).toBe(0);
    expect(called().some((line) => /^(install|start)/.test(line))).toBe(true);
    expect(out).toContain(`ready: this machine is connected to ${api}`);
    expect(out).not.toContain("next: ");
  });

  test("starts nothing with --no-service, and says once what is next", async () => {
    const { code, out } = await install(shell, "--token", TOKEN, "--no-service");
    expect(code).toBe(0);
    expect(called().filter((line) => /^(install|start)/.test(line))).toEqual([]);
    expect(out.match(/next: /g)).toHaveLength(1);
    expect(out).toContain(`next: ${join(folder, "bin", "rexec-agent")} start`);
  });

  test("run again it is an upgrade: registration, configuration and server stay", async () => {
    await install(shell, "--token", TOKEN);
    const before = readFileSync(config(), "utf8");
    rmSync(join(folder, "calls"));
    offer(agentProgram({ version: "9.9.10" }));
    const { code, out } = await install(shell);
    expect(code).toBe(0);
    expect(out).toContain("9.9.10 (abc), in the place of rexec-agent 9.9.9 (abc)");
    expect(out).toContain("keeps its registration");
    expect(called().filter((line) => line.startsWith("register"))).toEqual([]);
    // In place, where no service manager runs: its shells stay.
    expect(called().some((line) => /^(install|start|restart)/.test(line))).toBe(true);
    expect(readFileSync(config(), "utf8")).toBe(before);
    expect(readdirSync(join(folder, "bin"))).toEqual(["rexec-agent"]);
  });

  test("run again with a name or labels it hands these on, and keeps server and token", async () => {
    await install(shell, "--token", TOKEN);
    const before = readFileSync(config(), "utf8");
    const { code } = await install(shell, "--labels", "a,b", "--name", "new", "--api", api);
    expect(code).toBe(0);
    expect(note("args")).toBe(`register\n--config\n${config()}\n--name\nnew\n--tags\na,b\n`);
    expect(note("token")).toBe("");
    expect(readFileSync(config(), "utf8")).toBe(before);
    expect((await install(shell, "--labels=c")).code).toBe(0);
    expect(note("args")).toBe(`register\n--config\n${config()}\n--tags\nc\n`);
  });

  test("a run that fails with nothing to upgrade says no more than why", async () => {
    await install(shell, "--token", TOKEN);
    const program = agentProgram({ start: 1 });
    writeFileSync(join(folder, "bin", "rexec-agent"), program);
    offer(program);
    // So that there is something to start.
    rmSync(join(folder, "running"));
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).not.toContain("same file");
    expect(err).not.toContain("mv:");
    expect(readFileSync(join(folder, "bin", "rexec-agent"), "utf8")).toBe(program);
    expect(readdirSync(join(folder, "bin"))).toEqual(["rexec-agent"]);
  });

  test.each([
    "rexec-agent version 1.4.2",
    "Rexec Agent 1.4.2 (abc)",
    "rexec 1.0.0 (abc)",
    "",
    "usage: agent [-d]",
  ])("touches nothing where the server offers another program, which says %p", async (says) => {
    await install(shell, "--token", TOKEN);
    const before = [readFileSync(join(folder, "bin", "rexec-agent"), "utf8"), readFileSync(config(), "utf8")];
    rmSync(join(folder, "calls"));
    offer(agentProgram({ says }));
    files["/downloads/SHA256SUMS"] = undefined;
    const { code, err } = await install(shell, "--token", TOKEN, { REXEC_NO_CHECKSUM: "1" });
    expect(code).toBe(1);
    expect(err).toContain("offers another program");
    expect(err).not.toContain("undoing");
    expect(called()).toEqual([]);
    expect([
      readFileSync(join(folder, "bin", "rexec-agent"), "utf8"),
      readFileSync(config(), "utf8"),
    ]).toEqual(before);
  });

  for (const downloader of ["curl", "wget"]) {
    testWith(downloader)(
      `shows how far the download is where a person looks on, by ${downloader}`,
      async () => {
        const [name = "sh", ...applet] = shell;
        const script = join(folder, "served.sh");
        writeFileSync(script, served());
        const env = {
          PATH: tools(["cmp", downloader]),
          HOME: folder,
          REXEC_BIN_DIR: join(folder, "bin"),
          REXEC_CONFIG: config(),
        };
        const terminal = new Terminal([Bun.which(name) ?? name, ...applet, script], { env });
        await terminal.see(/100(\.0)?%/, 15_000);
        await terminal.see("next: ", 15_000);
        await terminal.exit();
      },
    );
  }

  test("over a file of the original agent it is an upgrade too", async () => {
    await install(shell, "--token", TOKEN);
    const theirs = JSON.stringify({ id: "abc-1", name: "box", host: api, token: TOKEN }, null, 2);
    writeFileSync(config(), theirs);
    const { code, out } = await install(shell);
    expect([code, out]).toEqual([0, expect.stringContaining("keeps its registration")]);
    expect(out).toContain(`this machine is connected to ${api}`);
    expect(readFileSync(config(), "utf8")).toBe(theirs);
  });

  test("takes the token from the environment", async () => {
    const { code } = await install(shell, { REXEC_TOKEN: TOKEN });
    expect(code).toBe(0);
    expect(note("token")).toBe(TOKEN);
  });

  test("run again with the same token it downloads nothing that is there already", async () => {
    await install(shell, "--token", TOKEN);
    requests = [];
    const { code, out } = await install(shell, "--token", TOKEN);
    expect(code).toBe(0);
    expect(out).toContain(`is what ${api} offers`);
    expect(requests).toEqual(["/downloads/SHA256SUMS"]);
    expect(readdirSync(join(folder, "bin"))).toEqual(["rexec-agent"]);
  });

  test("hands on the exit code of a registration that fails, and leaves nothing behind", async () => {
    offer(agentProgram({ register: 4 }));
    const { code, err } = await install(shell, "--token", TOKEN);
    expect(code).toBe(4);
    expect(err).toContain("error: it says no");
    expect(existsSync(join(folder, "bin"))).toBe(false);
    expect(existsSync(join(folder, "etc"))).toBe(false);
  });

  test("takes everything back where the agent does not start: program, configuration, registration", async () => {
    offer(agentProgram({ start: 1 }));
    const { code, err } = await install(shell, "--token", TOKEN);
    expect(code).toBe(1);
    expect(err).toContain("undoing");
    expect(called().at(-1)).toStartWith("unregister --config");
    expect(existsSync(join(folder, "bin"))).toBe(false);
    expect(existsSync(join(folder, "etc"))).toBe(false);
  });

  test("an upgrade that fails leaves the former agent, with its configuration, running", async () => {
    await install(shell, "--token", TOKEN);
    const [program, before] = [readFileSync(join(folder, "bin", "rexec-agent")), readFileSync(config())];
    rmSync(join(folder, "calls"));
    offer(agentProgram({ start: 1, version: "9.9.10" }));
    const { code } = await install(shell, "--token", TOKEN, "--name", "new");
    expect(code).toBe(1);
    expect(readFileSync(join(folder, "bin", "rexec-agent"))).toEqual(program);
    expect(readFileSync(config())).toEqual(before);
    expect(called().filter((line) => line.startsWith("unregister"))).toEqual([]);
    expect(called().at(-1)).toMatch(/^(install|start)/);
    expect(existsSync(join(folder, "running"))).toBe(true);
    expect(readdirSync(join(folder, "bin"))).toEqual(["rexec-agent"]);
  });

  test("takes everything back where it is interrupted", async () => {
    offer(agentProgram({ hang: true }));
    const child = start(shell, ["-s", "--", "--token", TOKEN], {}, served());
    await until(() => called().some((line) => line.startsWith("register")), 10_000, "the registration");
    // As Ctrl-C does: to everything that runs in the foreground.
    process.kill(-child.pid, "SIGTERM");
    expect(await within(child.exited, 10_000, "the installer to end")).toBe(143);
    expect(existsSync(join(folder, "bin"))).toBe(false);
    expect(existsSync(join(folder, "etc"))).toBe(false);
  });

  for (const packer of ["xz", "gzip"]) {
    testWith(packer)(`downloads what ${packer} unpacks`, async () => {
      const suffix = packer === "xz" ? ".xz" : ".gz";
      offer(agentProgram(), [suffix]);
      const { code, out } = await install(shell);
      expect(code).toBe(0);
      expect(out).toContain(`downloading ${api}/downloads/${FILE}${suffix}`);
      expect(requests).not.toContain(`/downloads/${FILE}`);
      expect(out.match(/checksum is right/g)).toHaveLength(2);
      expect(readFileSync(join(folder, "bin", "rexec-agent"), "utf8")).toBe(agentProgram());
    });
  }

  testUnless(whyNoPath(shell) ?? lacks("xz", "gzip", "curl"))(
    "takes the best form that this machine can unpack, and the plain one where it can unpack none",
    async () => {
      offer(agentProgram(), [".xz", ".gz"]);
      await install(shell);
      expect(requests).toContain(`/downloads/${FILE}.xz`);
      requests = [];
      rmSync(join(folder, "bin"), { recursive: true });
      await install(shell, { PATH: tools(["curl", "gzip"]) });
      expect(requests).toEqual(["/downloads/SHA256SUMS", `/downloads/${FILE}.gz`]);
      requests = [];
      rmSync(join(folder, "bin"), { recursive: true });
      const { code } = await install(shell, { PATH: tools(["curl"]) });
      expect(requests).toEqual(["/downloads/SHA256SUMS", `/downloads/${FILE}`]);
      expect(code).toBe(0);
    },
  );

  testWith("xz", "gzip")("takes another form where one is listed and not there, or broken", async () => {
    offer(agentProgram(), [".xz", ".gz"]);
    files[`/downloads/${FILE}.xz`] = undefined;
    expect((await install(shell)).code).toBe(0);
    expect(requests).toContain(`/downloads/${FILE}.gz`);
  });

  testWith("xz", "gzip")("refuses a compressed download that is not what the checksum says", async () => {
    offer(agentProgram(), [".xz", ".gz"]);
    files[`/downloads/${FILE}.xz`] = "changed on the way";
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).toContain(`the checksum of ${FILE}.xz is wrong`);
    expect(existsSync(join(folder, "bin"))).toBe(false);
  });

  test("installs the version that is asked for, or none", async () => {
    expect((await install(shell, "--version", "v9.9.9")).code).toBe(0);
    const { code, err } = await install(shell, "--version", "9.9.8");
    expect(code).toBe(1);
    expect(err).toContain("offers rexec-agent 9.9.9, not 9.9.8");
  });

  test("uninstalls everything, and says so; a second time there is nothing to do", async () => {
    await install(shell, "--token", TOKEN);
    writeFileSync(join(folder, "etc", "agent.yaml.bak"), "token: old\n");
    const { code, out } = await install(shell, "--uninstall");
    expect(code).toBe(0);
    expect(called().some((line) => line.startsWith("unregister"))).toBe(true);
    expect(out).toContain(`removed ${join(folder, "bin", "rexec-agent")}`);
    expect(existsSync(join(folder, "bin", "rexec-agent"))).toBe(false);
    expect(existsSync(join(folder, "etc"))).toBe(false);
    expect((await install(shell, "--uninstall")).out).toContain("nothing to do");
  });

  test("uninstalls where the agent cannot be unregistered, and says what is left", async () => {
    await install(shell, "--token", TOKEN);
    writeFileSync(join(folder, "bin", "rexec-agent"), agentProgram({ unregister: 1 }));
    const { code, err } = await install(shell, "--uninstall");
    expect(code).toBe(0);
    expect(err).toContain("agent abc-123 may still be listed at ");
    expect(existsSync(join(folder, "etc"))).toBe(false);
  });

  test("uninstalls where the program is gone", async () => {
    await install(shell, "--token", TOKEN);
    rmSync(join(folder, "bin", "rexec-agent"));
    const { code, out, err } = await install(shell, "--uninstall");
    expect(code).toBe(0);
    expect(err).toContain("may still be listed");
    expect(out).toContain(`removed ${config()}`);
    expect(existsSync(join(folder, "etc"))).toBe(false);
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

  test("refuses a server that has no checksums, unless told to trust it", async () => {
    files["/downloads/SHA256SUMS"] = undefined;
    const refused = await install(shell);
    expect(refused.code).toBe(1);
    expect(refused.err).toContain("offers no SHA256SUMS");
    const { code, out } = await install(shell, { REXEC_NO_CHECKSUM: "1" });
    expect(code).toBe(0);
    expect(out).toContain("not verified");
  });

  test("names the file that the server does not have", async () => {
    files[`/downloads/${FILE}`] = undefined;
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).toContain(`/downloads/${FILE}`);
    expect(err).toContain("404");
    expect(existsSync(join(folder, "bin"))).toBe(false);
  });

  test("does not install what does not run here", async () => {
    offer("#!/nonexistent/interpreter\n");
    const { code, err } = await install(shell);
    expect(code).toBe(1);
    expect(err).toContain("does not run on this machine");
    expect(existsSync(join(folder, "bin"))).toBe(false);
  });

  test("takes over an agent that exists already, in a file that only its owner reads", async () => {
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
    expect(Bun.YAML.parse(readFileSync(config(), "utf8"))).toEqual({
      api_url: api,
      token: TOKEN,
      agent_id: "abc-123",
      name: 'a "b" \\c',
      labels: ["x", "y", "z"],
    });
    expect(statSync(config()).mode & 0o777).toBe(0o600);
    expect(existsSync(join(folder, "args"))).toBe(false);
    expect(existsSync(`${config()}.bak`)).toBe(false);
    expect(out).toContain("connected to");
    expect((await install(shell, "-t", TOKEN, "-i", "abc-123")).out).toContain("is agent abc-123 already");
    await install(shell, "-t", TOKEN, "-i", "def-456");
    expect(readFileSync(`${config()}.bak`, "utf8")).toContain("abc-123");
    expect(readFileSync(config(), "utf8")).toContain("def-456");
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

  for (const [machine, said] of [
    ["armv7l", "no build for armv7: rexec-agent is for 64-bit ARM (uname -m: armv7l)"],
    ["armv6l", "no build for armv6: rexec-agent is for 64-bit ARM (uname -m: armv6l)"],
    ["i686", "no build for 32-bit x86 (uname -m: i686)"],
    ["riscv64", "uname -m: riscv64"],
  ] as const) {
    testPath(`says on ${machine} that there is no agent for it`, async () => {
      command("uname", `[ "$1" = -m ] && echo ${machine} || echo Linux`);
      const { code, err } = await install(shell);
      expect(code).toBe(1);
      expect(err).toContain(said);
      expect(requests).toEqual([]);
    });
  }

  testPath("sees a 32-bit system under a 64-bit kernel", async () => {
    command("uname", '[ "$1" = -m ] && echo aarch64 || echo Linux');
    command("getconf", "echo 32");
    expect((await install(shell)).err).toContain("32-bit system (uname -m: aarch64)");
  });

  test("shows its options, with the server it came from", async () => {
    const { code, out } = await run(shell, ["-s", "--", "--help"], {}, served());
    expect(code).toBe(0);
    expect(out).toContain(`default: ${api}`);
  });

  for (const wget of ["wget", "busybox"]) {
    testWith(wget)(`uses wget (${wget}) where there is no curl`, async () => {
      const path = tools([], { wget });
      const { code, out } = await install(shell, { PATH: path });
      expect(code).toBe(0);
      expect(out).toContain("checksum is right");
      files["/downloads/SHA256SUMS"] = undefined;
      expect((await install(shell, { PATH: path })).err).toContain("offers no SHA256SUMS");
      files["/downloads/SHA256SUMS"] = "500";
      expect((await install(shell, { PATH: path })).err).toContain("cannot download");
    });
  }

  testPath("says what to install where there is neither curl nor wget", async () => {
    const { code, err } = await install(shell, { PATH: tools([]) });
    expect(code).toBe(1);
    expect(err).toContain("error: neither curl nor wget is here\nhint: install one of them");
    expect(requests).toEqual([]);
    expect(existsSync(join(folder, "bin"))).toBe(false);
  });

  testPath("is no program for this machine where it downloads another architecture's", async () => {
    const other = ARCH === "amd64" ? ["aarch64", "arm64"] : ["x86_64", "amd64"];
    command("uname", `[ "$1" = -m ] && echo ${other[0]} || echo Linux`);
    files[`/downloads/rexec-agent-linux-${other[1]}`] = "#!/nonexistent/interpreter\n";
    await install(shell);
    expect(requests.some((path) => path.startsWith(`/downloads/rexec-agent-linux-${other[1]}`))).toBe(true);
  });
}

test("holds the one line that a gateway replaces by its own address", () => {
  const lines = readFileSync(INSTALLER, "utf8").split("\n");
  expect(lines.filter((line) => line === 'REXEC_API_DEFAULT="https://rexec.pipeops.io"')).toHaveLength(1);
});

// --- the harness ---

interface Behaviour {
  version?: string;
  /** Exit codes of its commands. */
  register?: number;
  start?: number;
  unregister?: number;
  /** `register` does not end. */
  hang?: boolean;
  /** What `--version` prints. */
  says?: string;
}

/** A program in the agent's place: it runs, tells its version, and notes how it was called. */
function agentProgram({
  version = "9.9.9",
  register = 0,
  start = 0,
  unregister = 0,
  hang,
  says = `rexec-agent ${version} (abc)`,
}: Behaviour = {}) {
  return `#!/bin/sh
if [ "$1" = --version ]; then echo "${says}"; exit 0; fi
echo "$*" >>"${folder}/calls"
config=$3
case $1 in
register)
  printf '%s\\n' "$@" >"${folder}/args"
  printf '%s' "$REXEC_TOKEN" >"${folder}/token"
  cat >"${folder}/stdin"
  ${hang ? "exec sleep 60" : ""}
  [ ${register} = 0 ] || { echo "error: it says no" >&2; exit ${register}; }
  [ -z "$REXEC_TOKEN" ] ||
    printf 'api_url: %s\\ntoken: %s\\nagent_id: abc-123\\n' "$5" "$REXEC_TOKEN" >"$config"
  echo "next: rexec-agent start" >&2 ;;
install | start | restart) [ ${start} = 0 ] || exit ${start}; : >"${folder}/running" ;;
status) [ -e "${folder}/running" ] || exit 3; echo '{ "connection": "connected" }' ;;
stop | uninstall) rm -f "${folder}/running" ;;
unregister) [ ${unregister} = 0 ] || exit ${unregister}; rm -f "$config" ;;
esac
`;
}

function offer(program: string, compressed: string[] = []): void {
  files = { [`/downloads/${FILE}`]: program };
  for (const suffix of compressed) {
    const { stdout } = Bun.spawnSync([suffix === ".xz" ? "xz" : "gzip", "-c"], {
      stdin: Buffer.from(program),
    });
    files[`/downloads/${FILE}${suffix}`] = stdout;
  }
  const sums = Object.entries(files).map(([path, body = ""]) => {
    const sum = new Bun.CryptoHasher("sha256").update(body).digest("hex");
    return `${sum}  ${path.replace("/downloads/", "")}\n`;
  });
  files["/downloads/SHA256SUMS"] = `${"1".repeat(64)}  other\n${sums.join("")}`;
}

/** What the agent was called with, a line each time; `status` is left out. */
function called(): string[] {
  if (!existsSync(join(folder, "calls"))) return [];
  return note("calls")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("status"));
}

function config(): string {
  return join(folder, "etc", "agent.yaml");
}

/** A PATH of just what the script needs, and those: so that nothing else is in it. */
function tools(more: string[], renamed: Record<string, string> = {}): string {
  const needed =
    "sh awk cat chmod cp dirname getconf grep head id ln mkdir mktemp mv rm rmdir sed sha256sum sleep tail tr uname";
  const path = mkdtempSync(join(folder, "tools-"));
  const link = (tool: string, name: string) =>
    symlinkSync(Bun.which(tool) ?? "/nonexistent", join(path, name));
  for (const tool of [...needed.split(" "), ...more]) link(tool, tool);
  for (const [name, tool] of Object.entries(renamed)) link(tool, name);
  return path;
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

function start(shell: readonly string[], args: string[], env: Record<string, string>, script: string) {
  const [name = "sh", ...applet] = shell;
  return Bun.spawn([Bun.which(name) ?? name, ...applet, ...args], {
    env: {
      PATH: `${join(folder, "path")}:${process.env.PATH}`,
      HOME: folder,
      REXEC_BIN_DIR: join(folder, "bin"),
      REXEC_CONFIG: config(),
      ...env,
    },
    stdin: new Blob([script]),
    stdout: "pipe",
    stderr: "pipe",
    detached: true, // a process group of its own
  });
}

async function run(shell: readonly string[], args: string[], env: Record<string, string>, script: string) {
  const child = start(shell, args, env, script);
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}
