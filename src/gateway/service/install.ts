/** Installs and removes the gateway's service. */
import { chmodSync, lstatSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { RexecError } from "../../lib/errors.ts";
import { quoteWords } from "../../lib/quote.ts";
import { readText, removeIfThere, writeIfOther } from "../../lib/service/files.ts";
import type { ServicePlace } from "./place.ts";
import { ACCOUNT, type GatewayServiceSpec, isState, SERVICE_UNIT, SOCKET_UNIT } from "./spec.ts";
import { accountFile, serviceUnit, socketUnit } from "./units.ts";

/** How a program of the machine is run; the same as the agent's `Run`. */
export type RunCommand = (
  command: readonly [string, ...string[]],
) => Promise<{ ok: boolean; out: string; error: string }>;

/** What it works with. */
export interface ServiceTools {
  place: ServicePlace;
  scope: "system" | "user";
  run: RunCommand;
  /** Told what is done, a line each. */
  tell(line: string): void;
}

/** `unchanged`: it runs already, with this executable and these files. */
export type Installed = "started" | "restarted" | "unchanged";

/**
 * Writes what differs, enables socket and service, and (re)starts what has to. While the service restarts, connections
 * wait at the socket.
 * @throws RexecError `service_unwritable`, `service_failed`, `not_reachable`
 */
export async function installGateway(spec: GatewayServiceSpec, tools: ServiceTools): Promise<Installed> {
  const { place, run, tell } = tools;
  const systemctl = systemctlOf(tools);
  if (place.account !== null) await makeAccount(place.account, spec, tools);
  if (spec.scope === "system") await assertReachable(spec, tools);
  const isActive = (await systemctl("is-active", "--quiet", SERVICE_UNIT)).ok;
  const isStale = isActive && (await hasChanged(spec, tools));
  const socketIsNew = writeIfOther(place.socket, socketUnit(spec), 0o644);
  const serviceIsNew = writeIfOther(place.service, serviceUnit(spec), 0o644);
  if (socketIsNew) tell(`wrote ${place.socket}`);
  if (serviceIsNew) tell(`wrote ${place.service}`);
  if (socketIsNew || serviceIsNew) await must(systemctl("daemon-reload"), "daemon-reload");
  await must(systemctl("--quiet", "enable", SOCKET_UNIT, SERVICE_UNIT), "enable");
  const listens = (await systemctl("is-active", "--quiet", SOCKET_UNIT)).ok;
  if (isActive && listens && !isStale && !socketIsNew && !serviceIsNew) return "unchanged";
  // A socket with another address is another socket: this alone refuses connections for a moment.
  if (socketIsNew && listens) await systemctl("stop", SERVICE_UNIT, SOCKET_UNIT);
  await startSocket(spec, tools);
  await systemctl("reset-failed", SERVICE_UNIT);
  const { ok, error } = await systemctl("restart", SERVICE_UNIT);
  if (ok) return isActive ? "restarted" : "started";
  const last = ["--unit", SERVICE_UNIT, "--lines=8", "--output=cat", "--no-pager"];
  const { out } = await run(["journalctl", ...flags(tools), ...last]);
  for (const line of out.split("\n").filter(Boolean)) tell(`  ${line}`);
  throw new RexecError(`the service is installed, but does not start: ${error}`, {
    code: "service_failed",
    hint: `see: ${logsOf(tools)}`,
  });
}

/** @returns the paths that are gone; none where there was no service */
export async function uninstallGateway(tools: ServiceTools): Promise<string[]> {
  const { place } = tools;
  const systemctl = systemctlOf(tools);
  const paths = [place.service, place.socket, `${place.service}.d`, `${place.socket}.d`];
  await systemctl("--quiet", "disable", "--now", SERVICE_UNIT, SOCKET_UNIT);
  const gone = [...paths, ...(place.account ? [place.account] : [])].filter(removeIfThere);
  if (gone.length > 0) {
    await systemctl("daemon-reload");
    await systemctl("reset-failed", SERVICE_UNIT, SOCKET_UNIT);
  }
  return gone;
}

/** The service manager's own word of a unit: `active`, `failed`, `inactive`. */
export async function unitState(unit: string, tools: ServiceTools): Promise<string> {
  return (await systemctlOf(tools)("is-active", unit)).out || "unknown";
}

/** A property, as `systemctl show` has it. */
export async function unitProperty(unit: string, property: string, tools: ServiceTools): Promise<string> {
  return (await systemctlOf(tools)("show", "--property", property, "--value", unit)).out;
}

export function logsOf(tools: Pick<ServiceTools, "scope">): string {
  return quoteWords(["journalctl", ...flags(tools), "-u", "rexec-gateway"]);
}

// --- internal ---

function flags({ scope }: Pick<ServiceTools, "scope">): string[] {
  return scope === "user" ? ["--user"] : [];
}

function systemctlOf(tools: ServiceTools) {
  return (...words: readonly string[]) => tools.run(["systemctl", ...flags(tools), ...words]);
}

async function startSocket({ listen }: GatewayServiceSpec, tools: ServiceTools): Promise<void> {
  const { ok, error } = await systemctlOf(tools)("start", SOCKET_UNIT);
  if (ok) return;
  throw new RexecError(`systemd cannot listen on ${listen.host}:${listen.port}: ${error}`, {
    code: "service_failed",
    hint: `does another program listen there, a gateway that was started by hand? ss -ltnp "sport = :${listen.port}"`,
  });
}

async function must(ran: ReturnType<RunCommand>, what: string): Promise<void> {
  const { ok, error } = await ran;
  if (!ok) throw new RexecError(`systemctl ${what} failed: ${error}`, { code: "service_failed" });
}

/** Whether the process runs another executable, or has started before its configuration was written. */
async function hasChanged(spec: GatewayServiceSpec, tools: ServiceTools): Promise<boolean> {
  const pid = await unitProperty(SERVICE_UNIT, "MainPID", tools);
  const started = Number(await unitProperty(SERVICE_UNIT, "ExecMainStartTimestampMonotonic", tools)) / 1_000;
  try {
    const [running, wanted] = [statSync(`/proc/${pid}/exe`), statSync(spec.executable)];
    if (running.dev !== wanted.dev || running.ino !== wanted.ino) return true;
    const uptimeMs = Number.parseFloat(readText("/proc/uptime") ?? "0") * 1_000;
    const startedMs = Date.now() - uptimeMs + started;
    const files = [spec.config, spec.envFile].map((path) => statSync(path, { throwIfNoEntry: false }));
    return files.some((stat) => stat !== undefined && stat.mtimeMs > startedMs);
  } catch {
    return true;
  }
}

/** An account of its own, made as Debian's packages make theirs, and access to its configuration. */
async function makeAccount(
  file: string,
  spec: GatewayServiceSpec,
  { run, tell }: ServiceTools,
): Promise<void> {
  const known = await run(["getent", "passwd", ACCOUNT]);
  const shell = known.out.split(":")[6] ?? "";
  if (known.ok && !/\/(nologin|false)$/.test(shell)) {
    throw new RexecError(`the account ${ACCOUNT} is a person's, who can log in (${shell})`, {
      code: "bad_account",
      hint: `the service runs as an account of that name: rename that one, or give it no login (usermod -s /usr/sbin/nologin ${ACCOUNT})`,
    });
  }
  if (writeIfOther(file, accountFile(), 0o644)) tell(`wrote ${file}`);
  if (!known.ok) {
    const made = await run(["systemd-sysusers", file]);
    if (!made.ok)
      throw new RexecError(`cannot make the account ${ACCOUNT}: ${made.error}`, { code: "service_failed" });
    tell(`made the account ${ACCOUNT}`);
  }
  if (!lstatSync(spec.config).isFile()) {
    throw new RexecError(`${spec.config} is no ordinary file: what a link leads to is not given away`, {
      code: "bad_config",
      hint: `put a file there: ${quoteWords(["cp", "--remove-destination", realpathSync(spec.config), spec.config])}`,
    });
  }
  await run(["chown", "--no-dereference", `root:${ACCOUNT}`, spec.config]);
  chmodSync(spec.config, 0o640);
  // The agent's configuration beside it has a mode of its own.
  const folder = dirname(spec.config);
  const { mode } = statSync(folder);
  if ((mode & 0o001) === 0) {
    chmodSync(folder, (mode & 0o7777) | 0o011);
    tell(`let other accounts pass through ${folder}; its files stay as they are`);
  }
}

/** Better than a service that ends at its start. */
async function assertReachable({ files }: GatewayServiceSpec, { run }: ServiceTools): Promise<void> {
  for (const { path, access } of files) {
    if (access === "write" && isState(path)) continue;
    const can = await run(["runuser", "-u", ACCOUNT, "--", "test", access === "write" ? "-w" : "-r", path]);
    if (can.ok) continue;
    const folder = quoteWords(["install", "-d", "-o", ACCOUNT, "-g", ACCOUNT, "-m", "700", path]);
    throw new RexecError(
      `the account ${ACCOUNT} cannot ${access === "write" ? "write to" : "read"} ${path}`,
      {
        code: "not_reachable",
        hint:
          access === "write"
            ? `make the folder: ${folder}`
            : `let it: setfacl -m u:${ACCOUNT}:r ${path} (and u:${ACCOUNT}:x for each folder above), or chgrp ${ACCOUNT} and chmod g+r`,
      },
    );
  }
}
