/** What a service manager is told about the agent, whichever it is. */

/** Service managers that the agent knows. */
export const INIT_SYSTEMS = ["systemd", "openrc", "sysv", "launchd"] as const;
export type InitSystem = (typeof INIT_SYSTEMS)[number];

/** The service's name, where names are plain words. */
export const SERVICE = "rexec-agent";

/** One service to be written down. */
export interface ServiceSpec {
  /** Absolute path of the executable. */
  readonly executable: string;
  /** Words between it and `start`: `agent` for the CLI's executable. */
  readonly words: readonly string[];
  /** Absolute path of the configuration file, the only place of the token. */
  readonly config: string;
  /** `configDigest` of what that file says. */
  readonly configDigest: string;
  /** Address of the server. */
  readonly host: string;
  /** Where further variables stand, if they do: those of a proxy. */
  readonly envFile: string;
  /** `user`: a service of one person's own service manager. */
  readonly scope: "system" | "user";
  /** Account that a system service runs as; null for root. */
  readonly user: string | null;
}

/** Executable and arguments of one of the agent's commands with the service's configuration. */
export function commandOf(spec: ServiceSpec, name: string): string[] {
  return [spec.executable, ...spec.words, name, "--config", spec.config];
}
