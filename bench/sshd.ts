/** Debian's OpenSSH on loopback with keys and a configuration of its own, to compare with. */
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";

/** A running sshd. Its starter stops it. */
export interface Sshd {
  pid: number;
  port: number;
  /** Milliseconds from its start until it took a connection. */
  startMs: number;
  /** The client's command line up to the remote command. */
  client(port?: number): string[];
  /** The same by a jump host, which is this server too. */
  jumpingClient(): string[];
  stop(): Promise<void>;
}

/** Starts it. @returns why it cannot start, where it cannot */
export async function startSshd(folder: string): Promise<Sshd | string> {
  const sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find(existsSync);
  const program = Bun.which("ssh");
  if (!sshd || !program) return "openssh-server is not installed (Debian: openssh-server)";
  const home = join(folder, "sshd");
  mkdirSync(home, { recursive: true, mode: 0o700 });
  // As root sshd insists on the folder that its package would make at boot.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  for (const key of ["host", "user"]) {
    const made = Bun.spawnSync(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(home, key)]);
    if (!made.success) return `ssh-keygen failed: ${made.stderr.toString().trim()}`;
  }
  const port = freePort();
  const config = join(home, "sshd_config");
  writeFileSync(
    config,
    [
      `Port ${port}`,
      "ListenAddress 127.0.0.1",
      `HostKey ${join(home, "host")}`,
      `AuthorizedKeysFile ${join(home, "user.pub")}`,
      "PidFile none",
      "UsePAM no",
      "StrictModes no",
      "PasswordAuthentication no",
      "PermitRootLogin yes",
      "MaxStartups 100",
      "MaxSessions 100",
    ].join("\n"),
  );
  const start = performance.now();
  const child = Bun.spawn([sshd, "-D", "-e", "-f", config], {
    stdio: ["ignore", "ignore", Bun.file(join(home, "log"))],
  });
  while (!(await accepts(port))) {
    if (child.exitCode !== null)
      return `sshd left with ${child.exitCode}: ${await Bun.file(join(home, "log")).text()}`;
    await Bun.sleep(2);
  }
  const options = [
    "StrictHostKeyChecking=no",
    `UserKnownHostsFile=${join(home, "known")}`,
    "LogLevel=ERROR",
    "IdentitiesOnly=yes",
  ];
  const target = `${Bun.spawnSync(["id", "-un"]).stdout.toString().trim()}@127.0.0.1`;
  const ssh = (...more: string[]) => [
    program,
    ...["-F", "none", "-i", join(home, "user")],
    ...options.flatMap((option) => ["-o", option]),
    ...more,
  ];
  return {
    pid: child.pid,
    port,
    startMs: performance.now() - start,
    client: (via = port) => ssh("-tt", "-p", String(via), target),
    jumpingClient: () => {
      // -J knows no key of the jump host's own.
      const jump = ssh("-p", String(port), "-W", "%h:%p", target).join(" ");
      return ssh("-tt", "-p", String(port), "-o", `ProxyCommand=${jump}`, target);
    },
    stop: async () => {
      child.kill();
      await child.exited;
    },
  };
}

// --- internal ---

function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
