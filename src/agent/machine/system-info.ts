/** What this machine is. Everything is read from files: nothing is run, so nothing can hang or ask for a password. */
import { existsSync } from "node:fs";
import { availableParallelism, hostname } from "node:os";
import { distro, goArch, goOs } from "../../lib/platform.ts";
import { VERSION } from "../../lib/version.ts";
import type { SystemInfo } from "../../protocol/v1.ts";
import { readDisk, readMemory, readText } from "./proc.ts";

/** Groups whose members may use sudo on the usual distributions. */
const SUDO_GROUPS = ["sudo", "wheel", "admin"];

/** The content of a `system_info` message. @param region where the machine stands, as its configuration says */
export function readSystemInfo(region?: string) {
  const isRoot = process.getuid?.() === 0;
  const machine = { distro: distro(), virtualization: virtualization() };
  return {
    os: goOs(),
    arch: goArch(),
    num_cpu: availableParallelism(),
    hostname: hostname(),
    ...(machine.distro ? { distro: machine.distro } : {}),
    ...(region ? { region } : {}),
    memory: readMemory(),
    disk: readDisk(),
    ...(machine.virtualization ? { virtualization: machine.virtualization } : {}),
    is_root: isRoot,
    has_sudo: isRoot || maySudo(),
    agent_version: VERSION,
  } satisfies SystemInfo;
}

// --- internal ---

/** sudo is there and the account is in a group that may use it. `sudo -n true` would tell more, and write to the log of the administrator. */
function maySudo(): boolean {
  if (!["/usr/bin/sudo", "/bin/sudo", "/usr/local/bin/sudo"].some(existsSync)) return false;
  const own = new Set(process.getgroups?.() ?? []);
  return readText("/etc/group")
    .split("\n")
    .map((line) => line.split(":"))
    .some(([name = "", , gid]) => SUDO_GROUPS.includes(name) && own.has(Number(gid)));
}

/** In the words of systemd-detect-virt; undefined on bare metal or where it can't be told. */
function virtualization(): string | undefined {
  return container() ?? hypervisor();
}

function container(): string | undefined {
  if (existsSync("/.dockerenv")) return "docker";
  if (existsSync("/run/.containerenv")) return "podman";
  const declared =
    readText("/run/systemd/container").trim() ||
    /(?:^|\0)container=([^\0]+)/.exec(readText("/proc/1/environ"))?.[1];
  if (declared) return declared;
  if (/kubepods/.test(readText("/proc/1/cgroup"))) return "kubernetes";
  return /microsoft/i.test(readText("/proc/sys/kernel/osrelease")) ? "wsl" : undefined;
}

function hypervisor(): string | undefined {
  const product = ["sys_vendor", "product_name", "board_vendor"]
    .map((name) => readText(`/sys/class/dmi/id/${name}`))
    .join(" ");
  const found = VENDORS.find(([pattern]) => pattern.test(product));
  if (found) return found[1];
  if (/xen/i.test(readText("/sys/hypervisor/type"))) return "xen";
  return /^flags\s*:.*\bhypervisor\b/m.test(readText("/proc/cpuinfo")) ? "vm-other" : undefined;
}

const VENDORS: readonly (readonly [RegExp, string])[] = [
  [/Amazon EC2/i, "amazon"],
  [/Google/i, "google"],
  [/KVM|QEMU|DigitalOcean|Hetzner|OpenStack/i, "kvm"],
  [/VMware/i, "vmware"],
  [/VirtualBox|innotek/i, "oracle"],
  [/Microsoft Corporation.*Virtual/i, "microsoft"],
  [/Parallels/i, "parallels"],
  [/Bochs/i, "bochs"],
  [/Xen/i, "xen"],
  [/Firecracker/i, "firecracker"],
];
