/** Finds out what the service is to be, and refuses what could not run. */
import { isIP } from "node:net";
import { RexecError, UsageError } from "../../lib/errors.ts";
import { quoteWords } from "../../lib/quote.ts";
import { executableProblem } from "../../lib/service/lasting.ts";
import { gatewayOptions } from "../config/gateway-options.ts";
import type { ServeConfig } from "../config/load.ts";
import { SETTINGS } from "../config/settings.ts";
import type { ServicePlace } from "./place.ts";
import type { GatewayServiceSpec } from "./spec.ts";

/** What is known before. */
export interface ServiceFacts {
  executable: string;
  config: string;
  scope: "system" | "user";
  place: ServicePlace;
  systemdVersion: number;
}

/**
 * @param config what the file of the service says; nothing else counts for a service
 * @throws RexecError `bad_config`, `bad_executable`, `bad_listen`, `hidden_path`
 */
export function resolveGatewayService(config: ServeConfig, facts: ServiceFacts): GatewayServiceSpec {
  const { scope, executable, place, systemdVersion } = facts;
  const options = gatewayOptions(config);
  const spec = {
    executable,
    config: facts.config,
    scope,
    listen: { host: addressOf(config.get(SETTINGS.host)), port: portOf(config.get(SETTINGS.port), scope) },
    data: options.dataDir,
    files: config.files(),
    ringBudget: options.ringBudget ?? 0,
    envFile: place.envFile,
    systemdVersion,
  };
  assertLasting(executable, scope);
  if (scope === "system")
    for (const path of [executable, ...spec.files.map((file) => file.path)]) assertVisible(path);
  return spec;
}

// --- internal ---

/** A socket unit takes numbers. */
function addressOf(host: string): string {
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  if (isIP(bare) !== 0) return bare;
  if (host === "localhost") return "127.0.0.1";
  if (host === "") return "0.0.0.0";
  throw new RexecError(`the service cannot listen on the name "${host}"`, {
    code: "bad_listen",
    hint: "give an address of this machine as host: 0.0.0.0 for all of them, or 127.0.0.1 behind a proxy",
  });
}

function portOf(port: number, scope: "system" | "user"): number {
  if (port === 0)
    throw new UsageError("a service needs a port that stays", "set port in its file, 8080 for example");
  if (scope === "user" && port < 1024) {
    throw new RexecError(`an account's own service cannot listen on port ${port}`, {
      code: "bad_listen",
      hint: "ports below 1024 take the system's service: leave --user out, or set another port",
    });
  }
  return port;
}

function assertLasting(executable: string, scope: "system" | "user"): void {
  const problem = executableProblem(executable, scope === "system");
  if (problem === null) return;
  const copy = "/usr/local/bin/rexec";
  const steps = `${quoteWords(["sudo", "install", "-m", "755", executable, copy])} && sudo ${copy} serve install`;
  throw new RexecError(`a service cannot run ${executable}: ${problem}`, {
    code: "bad_executable",
    hint: `copy it first: ${steps}`,
  });
}

/** The unit hides these folders from the gateway (ProtectHome=, PrivateTmp=). */
function assertVisible(path: string): void {
  if (!/^\/(home|root|run\/user|tmp|var\/tmp)(\/|$)/.test(path)) return;
  throw new RexecError(`the service does not see ${path}: homes and /tmp are hidden from it`, {
    code: "hidden_path",
    hint: "put it elsewhere: /etc/rexec for certificates, /var/lib/rexec for data, /usr/local for programs",
  });
}
