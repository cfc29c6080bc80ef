/** The configuration that a command means where none is named. */
import { existsSync } from "node:fs";
import { accountOf } from "../../lib/account.ts";
import { installedServices } from "../service/installed.ts";
import { findConfig } from "./file.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * As `findConfig`; root also means that of the installed service, and under sudo that of the account that called it:
 * `rexec-agent register`, then `sudo rexec-agent install` is the order in which people do it.
 * @returns null where there is none
 */
export function meantConfig(
  named: string | undefined,
  env: Environment,
  uid = process.getuid?.() ?? 0,
): string | null {
  const found = findConfig(named, env);
  if (found !== null || uid !== 0) return found;
  const served = installedServices()
    .map(({ config }) => config)
    .find((config) => config !== null && existsSync(config));
  return served ?? callersConfig(env);
}

// --- internal ---

function callersConfig(env: Environment): string | null {
  const caller = Number(env.SUDO_UID);
  if (!Number.isSafeInteger(caller) || caller <= 0) return null;
  return findConfig(undefined, { HOME: accountOf(caller).home });
}
