/** The services of this machine that run the agent, as their files say: only root writes these. */
import { readFileSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { LABEL } from "./launchd.ts";
import type { Command } from "./recipe.ts";
import { type InitSystem, SERVICE } from "./spec.ts";

/** A service of the whole machine. */
export interface InstalledService {
  readonly init: InitSystem;
  /** The file that describes it. */
  readonly file: string;
  /** The configuration that it names; null where its file is not of `rexec-agent install`. */
  readonly config: string | null;
  /** Ends the agent so that it is not started again at once; null where ending its process is enough. */
  readonly stop: Command | null;
}

/** @param root of the file system; only tests name another than `/` */
export function installedServices(root = ""): InstalledService[] {
  return FILES.flatMap(([file, read]) => {
    const text = readQuietly(`${root}${file}`);
    return text === null ? [] : [{ file, ...read(text) }];
  });
}

/** The one that runs the agent with that configuration; null where none is installed for it. */
export function serviceOf(config: string, services = installedServices()): InstalledService | null {
  const meant = real(config);
  return services.find((service) => service.config !== null && real(service.config) === meant) ?? null;
}

// --- internal ---

type Read = (text: string) => Omit<InstalledService, "file">;

const FILES: readonly [string, Read][] = [
  [
    `/etc/systemd/system/${SERVICE}.service`,
    (text) => ({
      init: "systemd",
      config: unitConfig(text),
      stop: ["systemctl", "stop", `${SERVICE}.service`],
    }),
  ],
  [
    `/etc/init.d/${SERVICE}`,
    (text) =>
      text.startsWith("#!/sbin/openrc-run")
        ? { init: "openrc", config: scriptConfig(text), stop: ["rc-service", SERVICE, "stop"] }
        : { init: "sysv", config: scriptConfig(text), stop: null },
  ],
  [
    `/Library/LaunchDaemons/${LABEL}.plist`,
    (text) => ({
      init: "launchd",
      config: plistConfig(text),
      stop: ["launchctl", "bootout", `system/${LABEL}`],
    }),
  ],
];

/** The last word of the command line, as `systemdUnit` quotes it. */
function unitConfig(text: string): string | null {
  const word = /^ExecStart=.* --config (.+)$/m.exec(text)?.[1];
  if (word === undefined) return null;
  const plain = word.startsWith('"') ? word.slice(1, -1).replaceAll(/\\(["\\])/g, "$1") : word;
  return plain.replaceAll("%%", "%").replaceAll("$$", "$");
}

/** Paths of plain characters only, which no quoting changes: OpenRC takes no others. */
function scriptConfig(text: string): string | null {
  return /--config ([\w@%+=:,./-]+)/.exec(text)?.[1] ?? null;
}

function plistConfig(text: string): string | null {
  const word = /<string>--config<\/string>\s*<string>([^<]*)<\/string>/.exec(text)?.[1];
  return word?.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&") ?? null;
}

function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return resolve(path);
  }
}

function readQuietly(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
