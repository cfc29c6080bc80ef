/** Where the files of the service are. */
import { join } from "node:path";
import { SERVICE_UNIT, SOCKET_UNIT } from "./spec.ts";

/** Paths of one scope. */
export interface ServicePlace {
  readonly service: string;
  readonly socket: string;
  /** Null for an account's own service. */
  readonly account: string | null;
  readonly config: string;
  readonly envFile: string;
}

/** @param home of the account, for its own service */
export function placeOf(
  scope: "system" | "user",
  env: Readonly<Record<string, string | undefined>>,
  home: string,
): ServicePlace {
  const isSystem = scope === "system";
  const units = isSystem
    ? "/etc/systemd/system"
    : join(env.XDG_CONFIG_HOME || join(home, ".config"), "systemd/user");
  const own = isSystem ? "/etc/rexec" : join(home, ".rexec");
  return {
    service: join(units, SERVICE_UNIT),
    socket: join(units, SOCKET_UNIT),
    account: isSystem ? "/etc/sysusers.d/rexec-gateway.conf" : null,
    config: join(own, "serve.yaml"),
    envFile: join(own, "serve.env"),
  };
}
