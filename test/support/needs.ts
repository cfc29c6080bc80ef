/**
 * What a test needs of the machine beside Bun. Where it lacks, the test is skipped, and its title says why:
 *
 *     testWith("xz", "strace")("packs what it made", () => …);
 *     describeUnless(whyNoBox())("a booted systemd", () => …);
 *
 * `bun run test` prints the reasons. A missing tool is named with the Debian package that has it, and `.ci/run` fails
 * on such a reason where it could have installed the package.
 */
import { describe, test } from "bun:test";

/** Tools whose Debian package has another name. */
const PACKAGES: Readonly<Record<string, string>> = {
  xz: "xz-utils",
  ksh93: "ksh93u+m",
  vi: "vim-tiny",
  ps: "procps",
  pgrep: "procps",
  top: "procps",
  ip: "iproute2",
  nc: "netcat-openbsd",
  nginx: "nginx-light",
  perl: "perl-base",
  promtool: "prometheus",
  mount: "mount",
  umount: "mount",
  unshare: "util-linux",
  setpriv: "util-linux",
  nsenter: "util-linux",
  sshd: "openssh-server",
  ssh: "openssh-client",
  "systemd-analyze": "systemd",
  systemctl: "systemd",
  "systemd-nspawn": "systemd-container",
  "dpkg-query": "dpkg",
  "qemu-aarch64-static": "qemu-user-static",
};

const PROBE_MS = 10_000;

/** Where administrators' tools are, which an account's PATH may lack. */
const SEARCHED = `${process.env.PATH ?? ""}:/usr/sbin:/sbin`;

/** The path of a tool, or null. */
export function tool(name: string): string | null {
  return Bun.which(name, { PATH: SEARCHED });
}

/** Why a test that needs these tools cannot run here, or null where all of them are installed. */
export function lacks(...names: readonly string[]): string | null {
  const name = names.find((each) => tool(each) === null);
  return name === undefined ? null : `${name} is not installed (Debian: ${PACKAGES[name] ?? name})`;
}

/** Why a test that only root can do cannot run here, or null for root. */
export function whyNotRoot(what = "do this"): string | null {
  return process.getuid?.() === 0 ? null : `only root can ${what}`;
}

/** Why no file system can be mounted here, or null; containers keep even their root from it. */
export function whyNoMount(): string | null {
  const why = whyNotRoot("mount file systems") ?? lacks("unshare", "mount");
  if (why !== null) return why;
  return works(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
    ? null
    : "this machine lets no file system be mounted";
}

/** Why no user namespace with mounts of its own can be made here, or null. Many containers and some systems forbid it. */
export function whyNoUserNamespace(): string | null {
  const why = lacks("unshare", "mount");
  if (why !== null) return why;
  const words = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"];
  return works(words) ? null : "this machine lets no account make a user namespace";
}

/** Why dpkg does not know a file as this package's, or null: on other distributions, and where someone replaced it. */
export function whyNoPackage(file: string, name: string): string | null {
  const why = lacks("dpkg-query");
  if (why !== null) return why;
  const { stdout } = Bun.spawnSync([tool("dpkg-query") ?? "", "--search", file], { timeout: PROBE_MS });
  return stdout.toString().startsWith(`${name}:`) ? null : `${file} is not of the package ${name} here`;
}

/**
 * Why a test cannot choose what this shell finds in PATH, or null. Debian's busybox-static runs its own applets before
 * it looks there.
 */
export function whyNoPath(shell: readonly string[]): string | null {
  const [file = "sh", ...applet] = shell;
  const path = tool(file);
  if (path === null) return null;
  const words = [path, ...applet, "-c", "ls /"];
  const { success } = Bun.spawnSync(words, {
    env: { PATH: "/nonexistent" },
    timeout: PROBE_MS,
    stderr: "ignore",
  });
  return success
    ? `${shell.join(" ")} prefers its applets to PATH here (Debian's busybox-static does)`
    : null;
}

/** `test`, or where there is a reason a skipped test whose title says it. */
export function testUnless(why: string | null) {
  return (name: string, run: Parameters<typeof test>[1], ms?: number): void => {
    if (why === null) test(name, run, ms);
    else test.skip(skipped(name, why), () => {});
  };
}

/** `describe`, or where there is a reason a skipped one whose title says it. */
export function describeUnless(why: string | null) {
  return (name: string, run: () => void): void => {
    if (why === null) describe(name, run);
    else describe.skip(skipped(name, why), run);
  };
}

/** `test` for a machine that has these tools. */
export function testWith(...names: readonly string[]) {
  return testUnless(lacks(...names));
}

// --- internal ---

/** `scripts/test.ts` reads the reason out of the title again. */
function skipped(name: string, why: string): string {
  return `${name} (SKIPPED: ${why})`;
}

/** Whether the command can be started and exits with 0. */
function works(words: readonly string[]): boolean {
  return Bun.spawnSync([...words], { cwd: "/", stdio: ["ignore", "ignore", "ignore"], timeout: PROBE_MS })
    .success;
}
