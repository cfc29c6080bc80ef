/** Subjects of the bench: programs that give a remote shell, here on loopback. */
import type { ChaosProxy } from "../test/chaos/proxy.ts";
import type { SubjectName } from "./figures.ts";
import type { Terminal } from "./terminals.ts";

/** Proxies on the legs of client and agent; without one it dials directly. */
export interface Legs {
  viewer?: ChaosProxy;
  agent?: ChaosProxy;
}

/** A running subject. Its starter stops it. */
export interface Subject {
  readonly name: SubjectName;
  /** Starts a client under a PTY; the remote /bin/sh waits at its prompt. */
  shell(): Promise<Terminal>;
  /** Attaches a second client to the latest shell, where the subject can. */
  second?(): Promise<Terminal>;
  /** Has new shells recorded from now on, or not, where the subject can. */
  record?(on: boolean): Promise<void>;
  /** Processes of the remote end, with sessions, and of the gateway. */
  readonly serverPids: number[];
  readonly gatewayPids: number[];
  /** A leg is missing where there is none, or no TCP. */
  readonly legs: Legs;
  stop(): Promise<void>;
}
