/** Which service manager this machine has. */
import { existsSync } from "node:fs";
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
