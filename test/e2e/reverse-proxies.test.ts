/**
 * The configurations of nginx and Caddy as docs/gateway.md has them, run with TLS in front of the executables: what the page
 * says is what is tried.
 */
import { expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { describeUnless, lacks, tool } from "../support/needs.ts";
import { until, within } from "../support/wait.ts";
import { World } from "./support.ts";

const PAGE = readFileSync(join(import.meta.dir, "../../docs/gateway.md"), "utf8");

interface Example {
  title: string;
  language: "nginx" | "caddyfile";
  config: string;
  /** The path of the public URL, without a slash at its end. */
  prefix: string;
}

/** Each block of a configuration, in the order of the page. */
const EXAMPLES: Example[] = [...PAGE.matchAll(/^```(nginx|caddyfile)\n(.*?)^```$/gms)].map(
  ([, name, config = ""]) => {
    const language = name === "nginx" ? "nginx" : "caddyfile";
    const prefix = config.includes("/rexec/") ? "/rexec" : "";
    return { title: `${language}${prefix && ", below a path"}`, language, config, prefix };
  },
);

test("the page has an example of each kind", () => {
  expect(EXAMPLES.map(({ title }) => title)).toEqual([
    "nginx",
    "nginx, below a path",
    "caddyfile",
    "caddyfile, below a path",
  ]);
});

test("the page names no command and no option that there is not", async () => {
  const blocks = [...PAGE.matchAll(/^ *```sh\n(.*?)^ *```$/gms)].map(([, text = ""]) => text);
  const lines = blocks.flatMap((text) => text.split("\n")).map((line) => line.trim());
  const calls = lines.flatMap((line) => /^(?:sudo )?rexec ([a-z].*)/.exec(line)?.[1] ?? []);
  expect(calls.length).toBeGreaterThan(6);
  for (const call of calls) {
    const words = call.split(/\s+/);
    const names = words.slice(0, words[0] === "admin" || words[1] === "install" ? 2 : 1);
    const { success, stdout } = Bun.spawnSync([binary("rexec"), ...names, "--help"], { timeout: 20_000 });
    expect([call, success]).toEqual([call, true]);
    for (const option of words.filter((word) => word.startsWith("--"))) {
      expect([call, stdout.toString().includes(option)]).toEqual([call, true]);
    }
  }
});

/** The proxy of an example: it can be stopped and started again. */
class ReverseProxy implements AsyncDisposable {
  readonly #command: string[];
  readonly #env: Record<string, string>;
  readonly #port: number;
  #child: Bun.Subprocess<"ignore", "pipe", "pipe"> | null = null;

  /** Writes the example with the addresses and files of this run in the place of the page's. */
  constructor(example: Example, folder: string, port: number, gateway: string) {
    this.#port = port;
    mkdirSync(folder, { recursive: true });
    const made = replaced(example, folder, port, new URL(gateway).host);
    this.#env = {
      PATH: process.env.PATH ?? "",
      HOME: folder,
      XDG_DATA_HOME: folder,
      XDG_CONFIG_HOME: folder,
    };
    if (example.language === "nginx") {
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((each) => `${each}_temp_path ${folder}/${each};`)
        .join(" ");
      const root = process.getuid?.() === 0 ? "user root;" : "";
      writeFileSync(
        join(folder, "nginx.conf"),
        `${root} daemon off; pid ${folder}/nginx.pid; error_log stderr; events {}
         http { access_log off; ${temporary}\n${made}\n}`,
      );
      this.#command = [tool("nginx") ?? "", "-c", join(folder, "nginx.conf"), "-p", folder];
    } else {
      writeFileSync(join(folder, "Caddyfile"), `{\n\tadmin off\n\tauto_https disable_redirects\n}\n${made}`);
      this.#command = [tool("caddy") ?? "", "run", "--config", join(folder, "Caddyfile")];
    }
  }

  async start(): Promise<void> {
    const child = Bun.spawn(this.#command, { env: this.#env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    const said = Promise.all([child.stdout.text(), child.stderr.text()]);
    const isUp = until(() => isListening(this.#port), 10_000, "the proxy to listen");
    const ended = child.exited.then(async () => Promise.reject(new Error((await said).join(""))));
    ended.catch(() => {}); // it may end later
    await Promise.race([isUp, ended]);
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    const child = this.#child;
    if (!child) return;
    // Caddy waits for open sockets.
    await Promise.race([child.exited, Bun.sleep(1_000)]);
    child.kill("SIGKILL");
    await child.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

function replaced(
  { language, config, prefix }: Example,
  folder: string,
  port: number,
  gateway: string,
): string {
  const [cert, key] = [join(folder, "../cert.pem"), join(folder, "../key.pem")];
  const swaps: [string | RegExp, string][] =
    language === "nginx"
      ? [
          ["listen 443 ssl;", `listen 127.0.0.1:${port} ssl;`],
          [/server_name [\w.]+;/, "server_name localhost;"],
          [/ssl_certificate +\S+;/, `ssl_certificate ${cert};`],
          [/ssl_certificate_key +\S+;/, `ssl_certificate_key ${key};`],
          // So that a silent socket shows within the test's time: pings come every 3 s.
          ["proxy_read_timeout 60s;", "proxy_read_timeout 6s;"],
          ["proxy_send_timeout 60s;", "proxy_send_timeout 6s;"],
        ]
      : [[/^[\w.]+ \{$/m, `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`]];
  let made = config;
  for (const [from, to] of [...swaps, ["127.0.0.1:8080", gateway] as [string, string]]) {
    const next = made.replace(from, () => to);
    if (next === made) throw new Error(`the example${prefix} has no ${from}`);
    made = next;
  }
  return made;
}

async function isListening(port: number): Promise<boolean> {
  try {
    (await Bun.connect({ hostname: "127.0.0.1", port, socket: { data() {} } })).end();
    return true;
  } catch {
    return false;
  }
}

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address ? address.port : 0;
}

function makeCertificate(folder: string): string {
  const words = [
    ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
    ...["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
    ...["-keyout", "key.pem", "-out", "cert.pem"],
  ];
  const made = Bun.spawnSync(words, { cwd: folder, stderr: "pipe" });
  if (made.exitCode !== 0) throw new Error(`openssl: ${made.stderr.toString()}`);
  return join(folder, "cert.pem");
}

for (const example of EXAMPLES) {
  const program = example.language === "nginx" ? "nginx" : "caddy";
  describeUnless(lacks(program, "openssl"))(`behind ${example.title}`, () => {
    test("machines join, terminals work and stay, output comes whole, and the sender's address is known", async () => {
      const port = await freePort();
      const url = `https://localhost:${port}${example.prefix}`;
      const gatewayArgs = ["--public-url", url, "--trust-proxy", "loopback"];
      await using world = new World({ gatewayArgs });
      const { stack } = world;
      const trust = { REXEC_CA_FILE: makeCertificate(world.folder) };
      const ask = (path: string, init: RequestInit = {}) =>
        fetch(`${url}${path}`, { ...init, tls: { ca: Bun.file(trust.REXEC_CA_FILE) } });
      await stack.startGateway();
      const local = stack.url;
      await using proxy = new ReverseProxy(example, join(world.folder, "proxy"), port, local);
      await proxy.start();

      expect((await ask("/ready")).status).toBe(200);
      expect((await ask("/metrics")).status).toBe(403);
      expect(await (await ask("/install-agent.sh")).text()).toContain(url);

      await stack.register("box", url, trust);
      await stack.startAgent(trust);
      const there = { ...stack.clientEnv, ...trust, REXEC_HOST: url };
      const list = await world.rexec(["ls"], null, 20_000, there);
      expect(list).toMatchObject({ code: 0, stderr: "" });
      expect(list.stdout.toString()).toContain("online");

      // Big output, both ways, byte for byte.
      const script = "head -c 40000000 /dev/urandom | tee data | sha256sum >&2; cat data; rm data";
      const big = await world.rexec(["exec", "box", "--", "sh", "-c", script], null, 60_000, there);
      expect(big.stderr).toContain(new Bun.CryptoHasher("sha256").update(big.stdout).digest("hex"));
      const input = Buffer.alloc(5_000_000, "0123456789abcdef");
      const sent = await world.rexec(["exec", "box", "--", "sha256sum"], input, 60_000, there);
      expect(sent.stdout.toString()).toContain(new Bun.CryptoHasher("sha256").update(input).digest("hex"));

      await using terminal = world.terminal(["connect", "box"], { env: there });
      await terminal.see(/[$#] $/, 20_000);
      await terminal.type("echo here-$((6*7))\r");
      await terminal.see("here-42");
      // Idle for longer than the proxy lets a silent connection live.
      await Bun.sleep(9_000);
      await terminal.type("echo still-$((6*8))\r");
      await terminal.see("still-48");

      // The proxy is restarted: everything comes back by itself.
      await proxy.stop();
      await proxy.start();
      await terminal.type("echo again-$((6*9))\r");
      await terminal.see("again-54", 30_000);
      await terminal.type("exit\r");
      await within(terminal.exit(), 20_000, "the shell to end");

      // Wrong tokens are counted by the sender's address, not by the proxy's.
      const wrong = { authorization: `Bearer rexec_${"0".repeat(64)}` };
      const as = async (address: string) =>
        (await fetch(`${local}/api/agents`, { headers: { ...wrong, "X-Forwarded-For": address } })).status;
      for (let i = 0; i < 11; i += 1) await as("203.0.113.7");
      expect(await as("203.0.113.7")).toBe(429);
      expect(await as("203.0.113.8")).toBe(401);
      expect(
        (await ask("/api/agents", { headers: { ...wrong, "X-Forwarded-For": "203.0.113.7" } })).status,
      ).toBe(401);
    }, 150_000);
  });
}
