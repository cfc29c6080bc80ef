/** How one service manager is told to run the agent: a file, and the commands that make it take effect. */
import type { InitSystem, ServiceSpec } from "./spec.ts";

export type Command = readonly [string, ...string[]];

/** A service for one manager: a file, and the commands around it. Commands throw `RexecError`. */
export interface Recipe {
  readonly init: InitSystem;
  /** Absolute path of the file that describes the service, its content, and its permission bits. */
  readonly file: string;
  text(spec: ServiceSpec): string;
  readonly mode: number;
  /** Makes the service manager read a changed file. */
  readonly reload: readonly Command[];
  readonly enable: readonly Command[];
  /** Succeeds where the service runs. */
  readonly isActive: Command;
  /** Prints the pid of the agent, 0 or nothing where there is none; null where it cannot be asked. */
  readonly mainPid: Command | null;
  /** Return once the service is up, or has failed. */
  readonly start: readonly Command[];
  readonly restart: readonly Command[];
  /** Starts it without waiting, again and again until it comes up; where the service manager can. */
  readonly startSoon?: Command;
  /** After a failed start: prints the last lines of its log, and the exit code of the agent. */
  readonly lastWords?: Command;
  readonly exitStatus?: Command;
  /** Stop and forget; each may fail where there is nothing to stop or forget. */
  readonly stop: readonly Command[];
  /** After the file is gone. */
  readonly forget: readonly Command[];
  /** Files and folders that only the service has made, besides `file`. */
  readonly leftovers: readonly string[];
  /** How a person sees its state, and its log. */
  readonly status: string;
  readonly logs: string;
}
