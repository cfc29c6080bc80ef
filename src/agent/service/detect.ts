/** Which service manager this machine has. */
import { existsSync, readFileSync } from "node:fs";
import { platform } from "node:os";
import type { InitSystem } from "./spec.ts";

/** @param root of the file system; only tests name another than `/` */
export function detectInit(root = "/", system = platform()): InitSystem | null {
  const has = (path: string) => existsSync(`${root.replace(/\/$/, "")}/${path}`);
  if (system === "darwin") return "launchd";
  // sd_booted(3): the folder is there where systemd runs, not only is installed.
  if (has("run/systemd/system")) return "systemd";
  if (has("run/openrc") || has("sbin/openrc-run")) return "openrc";
  // Says that scripts can be registered, not that an init runs them: a container with Debian's tools passes for one.
  // install-agent.sh decides in the same way; change both together.
  if (has("etc/init.d") && ["usr/sbin/update-rc.d", "sbin/chkconfig", "usr/sbin/chkconfig"].some(has)) {
    return "sysv";
  }
  return null;
}

/**
 * Why nothing runs the service's file at a boot, although its service manager is installed; null where something does.
 * @param root of the file system; only tests name another than `/`
 */
export function whyNothingBoots(init: InitSystem, root = "/"): string | null {
  if (init === "openrc")
    return existsSync(`${root}/run/openrc`) ? null : "OpenRC is installed, and does not run";
  if (init !== "sysv") return null;
  const first = firstProcess(root);
  return first === "init" ? null : `process 1 is "${first}", and no init (a container?)`;
}

// --- internal ---

function firstProcess(root: string): string {
  try {
    return readFileSync(`${root}/proc/1/comm`, "utf8").trim();
  } catch {
    return "unknown";
  }
}
