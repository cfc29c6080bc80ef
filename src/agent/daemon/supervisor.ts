/** Who runs an agent: a person, `start --daemon`, or a service manager, which would start it again. */
import { readFileSync } from "node:fs";
import type { RunInfo } from "../status.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** A unit of systemd, and whose. */
export interface Unit {
  readonly name: string;
  readonly scope: "system" | "user";
}

/** How this process was started. @param log the file that it writes, where it is one of `start --daemon` */
export function runInfo(env: Environment, log: string | undefined): RunInfo {
  if (log) return { kind: "daemon", log };
  if (isSystemdsOwn(env, process.pid)) return { kind: "systemd" };
  if (env.RC_SVCNAME) return { kind: "openrc" };
  return { kind: env.XPC_SERVICE_NAME?.includes("rexec") ? "launchd" : "foreground" };
}

/**
 * The systemd unit whose main process that is, or null where systemd does not run it. Asked of the process itself, as
 * everything that a person starts is in some unit too.
 */
export function unitOf(pid: number): Unit | null {
  const env = environmentOf(pid);
  if (env === null || !isSystemdsOwn(env, pid)) return null;
  return unitInCgroup(readQuietly(`/proc/${pid}/cgroup`) ?? "");
}

/** cgroups(7): a line for each hierarchy; the last word of the path that is a service is the unit. */
export function unitInCgroup(text: string): Unit | null {
  const path = /^(?:0::|\d+:name=systemd:)(\/.*)$/m.exec(text)?.[1];
  const parts = path?.split("/") ?? [];
  const name = parts.findLast((part) => part.endsWith(".service"));
  if (!name) return null;
  const isUsers = parts.some((part) => /^user@\d+\.service$/.test(part) && part !== name);
  return { name, scope: isUsers ? "user" : "system" };
}

/** The words with which systemctl and journalctl mean that unit. */
export function scopeWords({ scope }: Unit): string[] {
  return scope === "user" ? ["--user"] : [];
}

// --- internal ---

/** systemd.exec(5): SYSTEMD_EXEC_PID since 248; before that, a socket to report to is what a `notify` unit has. */
function isSystemdsOwn(env: Environment, pid: number): boolean {
  if (env.SYSTEMD_EXEC_PID) return env.SYSTEMD_EXEC_PID === String(pid);
  return Boolean(env.INVOCATION_ID && env.NOTIFY_SOCKET);
}

function environmentOf(pid: number): Environment | null {
  const text = readQuietly(`/proc/${pid}/environ`);
  if (text === null) return null;
  return Object.fromEntries(
    text
      .split("\0")
      .map((entry) => entry.split("="))
      .map(([name = "", ...value]) => [name, value.join("=")]),
  );
}

function readQuietly(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
