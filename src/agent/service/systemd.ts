/** systemd: the system's manager, and each account's own. */
import { join } from "node:path";
import { assertPaths } from "./paths.ts";
import type { Command, Recipe } from "./recipe.ts";
import { SERVICE, type ServiceSpec } from "./spec.ts";
import { systemdUnit } from "./systemd-unit.ts";

export const UNIT = `${SERVICE}.service`;

/** What a unit depends on beside its specification. */
export interface SystemdPlace {
  /** Of systemd, 252 for example. */
  version: number;
  /** Home of the account of a user unit, and its XDG folders where they are elsewhere. */
  env: Readonly<Record<string, string | undefined>>;
  home: string;
}

/** @param scope whose manager is meant */
export function systemdRecipe(
  serviceScope: ServiceSpec["scope"],
  { version, env, home }: SystemdPlace,
): Recipe {
  const isSystem = serviceScope === "system";
  const scope = isSystem ? [] : ["--user"];
  const systemctl = (...words: string[]): Command => ["systemctl", ...scope, ...words];
  const folder = isSystem
    ? "/etc/systemd/system"
    : join(env.XDG_CONFIG_HOME || join(home, ".config"), "systemd/user");
  const cache = isSystem ? "/var/cache/rexec" : join(env.XDG_CACHE_HOME || join(home, ".cache"), "rexec");
  const runtime = isSystem
    ? "/run/rexec"
    : env.XDG_RUNTIME_DIR
      ? join(env.XDG_RUNTIME_DIR, "rexec")
      : join(home, ".rexec/run");
  const flag = isSystem ? "" : " --user";
  return {
    init: "systemd",
    file: join(folder, UNIT),
    text(spec) {
      // It takes no quotes and backslashes in the name of a program.
      assertPaths("systemd", [spec.executable], /^[^'"\\]+$/);
      return systemdUnit(spec, version);
    },
    mode: 0o644,
    reload: [systemctl("daemon-reload")],
    enable: [systemctl("--quiet", "enable", UNIT)],
    isActive: systemctl("--quiet", "is-active", UNIT),
    mainPid: systemctl("show", "--property=MainPID", "--value", UNIT),
    // Also where it is between two tries, in a pause that has grown.
    start: [systemctl("reset-failed", UNIT), systemctl("restart", UNIT)],
    startSoon: systemctl("start", "--no-block", UNIT),
    lastWords: ["journalctl", ...scope, "--unit", UNIT, "--lines=8", "--output=cat", "--no-pager"],
    exitStatus: systemctl("show", "--property=ExecMainStatus", "--value", UNIT),
    restart: [systemctl("restart", UNIT)],
    stop: [systemctl("--quiet", "disable", "--now", UNIT)],
    forget: [systemctl("daemon-reload"), systemctl("reset-failed", UNIT)],
    leftovers: [join(folder, `${UNIT}.d`), cache, runtime],
    status: `systemctl${flag} status ${SERVICE}`,
    logs: `journalctl${flag} -u ${SERVICE}`,
  };
}
