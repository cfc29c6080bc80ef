/** OpenRC, SysV init and launchd: their files, and the commands that make these take effect. */
import { join } from "node:path";
import { CACHE, openrcScript, sysvScript } from "./init-scripts.ts";
import { LABEL, launchdPlist } from "./launchd.ts";
import { assertPaths } from "./paths.ts";
import type { Command, Recipe } from "./recipe.ts";
import { SERVICE, type ServiceSpec } from "./spec.ts";

const SCRIPT = `/etc/init.d/${SERVICE}`;

export const openrcRecipe: Recipe = {
  init: "openrc",
  file: SCRIPT,
  text(spec) {
    // It evaluates them twice.
    assertPaths("OpenRC", [spec.executable, spec.config], /^[\w@%+:,./-]+$/);
    return openrcScript(spec);
  },
  mode: 0o755,
  reload: [],
  enable: [["rc-update", "add", SERVICE, "default"]],
  isActive: ["rc-service", SERVICE, "status"],
  mainPid: null,
  start: [["rc-service", SERVICE, "start"]],
  restart: [["rc-service", SERVICE, "restart"]],
  stop: [
    ["rc-service", SERVICE, "stop"],
    ["rc-update", "delete", SERVICE, "default"],
  ],
  forget: [],
  leftovers: [CACHE, "/run/rexec"],
  status: `rc-service ${SERVICE} status`,
  logs: "the syslog (/var/log/messages)",
};

/** @param registrar the program that knows the runlevels: Debian's, or Red Hat's */
export function sysvRecipe(registrar: "update-rc.d" | "chkconfig"): Recipe {
  const isDebian = registrar === "update-rc.d";
  return {
    init: "sysv",
    file: SCRIPT,
    text: sysvScript,
    mode: 0o755,
    reload: [],
    enable: isDebian ? [["update-rc.d", SERVICE, "defaults"]] : [["chkconfig", "--add", SERVICE]],
    isActive: [SCRIPT, "status"],
    mainPid: null,
    start: [[SCRIPT, "start"]],
    restart: [[SCRIPT, "restart"]],
    stop: [[SCRIPT, "stop"], ...(isDebian ? [] : [["chkconfig", "--del", SERVICE] satisfies Command])],
    // Debian's wants the script to be gone before.
    forget: isDebian ? [["update-rc.d", SERVICE, "remove"]] : [],
    leftovers: [CACHE, "/run/rexec"],
    status: `service ${SERVICE} status`,
    logs: "rexec-agent logs",
  };
}

export function launchdRecipe(scope: ServiceSpec["scope"], home: string, uid: number): Recipe {
  const isSystem = scope === "system";
  const domain = isSystem ? "system" : `gui/${uid}`;
  const job = `${domain}/${LABEL}`;
  const file = join(
    isSystem ? "/Library/LaunchDaemons" : join(home, "Library/LaunchAgents"),
    `${LABEL}.plist`,
  );
  return {
    init: "launchd",
    file,
    text: (spec) => launchdPlist(spec, home),
    mode: 0o644,
    reload: [],
    enable: [["launchctl", "enable", job]],
    isActive: ["launchctl", "print", job],
    mainPid: null,
    start: [["launchctl", "bootstrap", domain, file]],
    // A changed file is read anew only so.
    restart: [
      ["launchctl", "bootout", job],
      ["launchctl", "bootstrap", domain, file],
    ],
    stop: [["launchctl", "bootout", job]],
    forget: [],
    leftovers: [],
    status: `launchctl print ${job}`,
    logs: isSystem ? "/var/log/rexec-agent.log" : "~/Library/Logs/rexec-agent.log",
  };
}
