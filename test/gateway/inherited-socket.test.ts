/** The socket that a service manager opens: `rexec serve` takes it over, and it outlives the process. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { describeUnless, lacks } from "../support/needs.ts";
import { within } from "../support/wait.ts";

/**
 * A small service manager: a process that opens the socket and starts the gateway with it as descriptor 3, once or more.
 * (`systemd-socket-activate` closes the socket with the first process.) Each Debian has Perl.
 */
const MANAGER = `
use strict; use Socket qw(:all); use POSIX (); $| = 1; $^F = 9;
my ($host, $count, @serve) = @ARGV;
my $six = $host =~ /:/;
socket(my $s, $six ? PF_INET6 : PF_INET, SOCK_STREAM, 0) or die $!;
bind($s, $six ? pack_sockaddr_in6(0, inet_pton(AF_INET6, $host)) : pack_sockaddr_in(0, inet_aton($host))) or die $!;
listen($s, 128) or die $!;
my ($port) = $six ? unpack_sockaddr_in6(getsockname $s) : unpack_sockaddr_in(getsockname $s);
print "$port\\n";
my $pid;
while (my $line = <STDIN>) {
  if ($line eq "start\\n") {
    $pid = fork;
    if ($pid == 0) {
      POSIX::dup2(fileno($s), 3) if fileno($s) != 3;
      $ENV{LISTEN_PID} = $$; $ENV{LISTEN_FDS} = $count;
      exec @serve; die $!;
    }
    print "pid $pid\\n";
  }
  if ($line eq "stop\\n") { kill "TERM", $pid; waitpid $pid, 0; print "stopped\\n"; }
}
`;

class Manager implements AsyncDisposable {
  readonly #dataDir = mkdtempSync(join(tmpdir(), "rexec-inherited-"));
  readonly #child;
  readonly #chunks: AsyncIterator<Uint8Array>;
  #said = "";
  port = 0;
  pid = 0;

  constructor(host = "127.0.0.1", sockets = "1", options: readonly string[] = []) {
    const serve = [binary("rexec"), "serve", "--data", this.#dataDir, "--port", "1", ...options];
    this.#child = Bun.spawn(["perl", "-e", MANAGER, host, sockets, ...serve], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: { HOME: this.#dataDir, PATH: process.env.PATH, REXEC_LOG: "info" },
    });
    this.#chunks = this.#child.stdout[Symbol.asyncIterator]();
  }

  async opened(): Promise<this> {
    this.port = Number(await this.says(/^(\d+)\n/));
    return this;
  }

  async start(): Promise<void> {
    this.#said = "";
    this.#child.stdin.write("start\n");
    await this.#child.stdin.flush();
    this.pid = Number(await this.says(/pid (\d+)\n/));
  }

  async stop(): Promise<void> {
    this.#child.stdin.write("stop\n");
    await this.#child.stdin.flush();
    await this.says(/stopped/);
  }

  async says(pattern: RegExp): Promise<string> {
    const look = async () => {
      for (;;) {
        const found = pattern.exec(this.#said);
        if (found) return found[1] ?? found[0];
        const { value, done } = await this.#chunks.next();
        if (done) throw new Error(`it ended: ${await this.#child.stderr.text()}`);
        this.#said += new TextDecoder().decode(value);
      }
    };
    return within(look(), 15_000, `${pattern}`);
  }

  /** What the gateway wrote to stderr, once all of it has ended. */
  async log(): Promise<string> {
    this.#child.stdin.end();
    return within(this.#child.stderr.text(), 10_000, "the end of the log");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.pid) {
      try {
        process.kill(this.pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
    this.#child.kill();
    await this.#child.exited;
    rmSync(this.#dataDir, { recursive: true, force: true });
  }
}

describeUnless(lacks("perl"))("an inherited socket", () => {
  test.each(["127.0.0.1", "::1"])("of %s is listened on in place of --host and --port", async (host) => {
    await using manager = await new Manager(host).opened();
    await manager.start();
    const url = `http://${host.includes(":") ? `[${host}]` : host}:${manager.port}`;
    expect(await manager.says(/ready at (\S+)/)).toBe(url);
    const answer = await fetch(`${url}/health`, { keepalive: false });
    expect([answer.status, answer.headers.get("x-request-id")?.length]).toEqual([200, 36]);
    // No child and no program that replaces it takes the socket for its own.
    const environ = readFileSync(`/proc/${manager.pid}/environ`, "utf8");
    expect(environ).toContain("LISTEN_FDS=1");
    await manager.stop();
  });

  test("keeps connections while no gateway runs, and the next one answers them", async () => {
    await using manager = await new Manager().opened();
    await manager.start();
    await manager.says(/ready at/);
    const url = `http://127.0.0.1:${manager.port}/health`;
    let refused = 0;
    let answered = 0;
    let done = false;
    const client = async () => {
      while (!done) {
        try {
          const { status } = await fetch(url, { keepalive: false, signal: AbortSignal.timeout(20_000) });
          if (status === 200) answered += 1;
        } catch (error) {
          // What was accepted by the gateway that ends may be cut; a refusal never comes.
          if (/refused|Unable to connect/i.test(String(error))) refused += 1;
        }
      }
    };
    const clients = Array.from({ length: 4 }, client);
    for (let round = 0; round < 3; round += 1) {
      await manager.stop();
      const waiting = fetch(url, { keepalive: false, signal: AbortSignal.timeout(20_000) });
      await manager.start();
      expect((await waiting).status).toBe(200);
      await manager.says(/ready at/);
    }
    done = true;
    await Promise.all(clients);
    expect(refused).toBe(0);
    expect(answered).toBeGreaterThan(3);
  }, 60_000);

  test("that a client leaves before it is accepted does not hold the gateway up", async () => {
    await using manager = await new Manager().opened();
    const gone = createConnection(manager.port, "127.0.0.1");
    await new Promise((resolve) => gone.once("connect", resolve));
    gone.resetAndDestroy();
    await manager.start();
    await manager.says(/ready at/);
    const answer = await fetch(`http://127.0.0.1:${manager.port}/health`, {
      signal: AbortSignal.timeout(5_000),
    });
    expect(answer.status).toBe(200);
  });

  test("has to be one", async () => {
    await using manager = await new Manager("127.0.0.1", "2").opened();
    await manager.start();
    expect(await manager.log()).toContain(
      "cannot take over the listening socket: 2 sockets were handed over",
    );
  });

  test("has to be a TCP socket that listens", async () => {
    const home = mkdtempSync(join(tmpdir(), "rexec-inherited-"));
    for (const redirection of ["3</dev/null", "3<.", "3<&-"]) {
      const script = `export LISTEN_PID=$$ LISTEN_FDS=1; exec "$0" serve --port 0 --data "$HOME/data" ${redirection}`;
      const { exitCode, stderr } = Bun.spawnSync(["sh", "-c", script, binary("rexec")], {
        cwd: home,
        env: { HOME: home },
        timeout: 15_000,
      });
      expect([exitCode, stderr.toString()]).toEqual([
        1,
        expect.stringContaining("what was handed over is no TCP socket that listens"),
      ]);
    }
    rmSync(home, { recursive: true });
  });

  test("of another process is left alone", async () => {
    const dataDir = mkdtempSync(join(tmpdir(), "rexec-inherited-"));
    const child = Bun.spawn([binary("rexec"), "serve", "--data", dataDir, "--port", "0"], {
      env: { HOME: dataDir, LISTEN_PID: "1", LISTEN_FDS: "1" },
      stdout: "pipe",
      stderr: "ignore",
    });
    const { value } = await within(child.stdout.getReader().read(), 10_000, "the first words");
    expect(new TextDecoder().decode(value)).toContain("Gateway ready at http://127.0.0.1:");
    child.kill();
    await child.exited;
    rmSync(dataDir, { recursive: true });
  });
});

test("a socket that no service manager has opened is one of its own, on the port that is free", async () => {
  const taken = createServer();
  await new Promise<void>((resolve) => void taken.listen(0, "127.0.0.1", resolve));
  const address = taken.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const dataDir = mkdtempSync(join(tmpdir(), "rexec-inherited-"));
  const child = Bun.spawn([binary("rexec"), "serve", "--data", dataDir, "--port", String(port)], {
    env: { HOME: dataDir },
    stdout: "ignore",
    stderr: "pipe",
  });
  expect(await within(child.exited, 10_000, "the refusal")).toBe(1);
  expect(await child.stderr.text()).toContain(`port ${port} is in use`);
  taken.close();
  rmSync(dataDir, { recursive: true });
});
