/**
 * The way out through a proxy, for a service, which has nothing of the environment it was installed from: a file that
 * only its owner can read (a proxy's address may hold a password), which the service manager reads.
 */
import { chmodSync, readFileSync } from "node:fs";
import { writeFileAtomic } from "../../lib/atomic-file.ts";
import { messageOf, RexecError } from "../../lib/errors.ts";
import { proxyFor } from "../../lib/proxy.ts";
import type { ServiceSpec } from "./spec.ts";

const VARIABLES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] as const;

/**
 * Writes the file where the server is reached through a proxy here; otherwise what stands there stays.
 * @returns whether it has changed
 * @throws RexecError `service_unwritable`
 */
export function keepProxy(
  { host, envFile }: ServiceSpec,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  const proxy = proxyLines(host, env);
  if (proxy === null) return false;
  const before = read(envFile) ?? "";
  // Other lines are the administrator's.
  const text = withoutProxy(before) + proxy;
  if (text === before) return false;
  try {
    writeFileAtomic(envFile, text, 0o600);
    chmodSync(envFile, 0o600);
  } catch (error) {
    const detail = { code: "service_unwritable", cause: error };
    throw new RexecError(`cannot write ${envFile}: ${messageOf(error)}`, detail);
  }
  return true;
}

/** What is left of such a file where the lines that are ours are taken out of it. */
export function withoutProxy(text: string): string {
  const isOurs = (line: string) => VARIABLES.some((name) => line.startsWith(`${name.toUpperCase()}='`));
  return text
    .split("\n")
    .filter((line) => line !== "" && !isOurs(line))
    .map((line) => `${line}\n`)
    .join("");
}

/** As systemd's EnvironmentFile= and a shell read them alike; null where the server is reached directly. */
export function proxyLines(host: string, env: Readonly<Record<string, string | undefined>>): string | null {
  if (!URL.canParse(host) || proxyFor(new URL(host), env) === null) return null;
  const lines = VARIABLES.flatMap((name) => {
    const value = env[name] || env[name.toUpperCase()];
    // In an address a quote may be written so, and a line's end has no place.
    return value && !/[\r\n]/.test(value)
      ? [`${name.toUpperCase()}='${value.replaceAll("'", "%27")}'\n`]
      : [];
  });
  return lines.join("");
}

// --- internal ---

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
