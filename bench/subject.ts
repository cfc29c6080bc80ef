/** What is measured: something that gives a person a shell on a machine, here on loopback. */
import type { ChaosProxy } from "../test/chaos/proxy.ts";
import type { SubjectName } from "./figures.ts";
import type { Terminal } from "./terminals.ts";

/** Where a client or an agent dials: straight there, or through a line of ours. */
export interface Legs {
  viewer?: ChaosProxy;
  agent?: ChaosProxy;
}

export interface Subject {
  readonly name: SubjectName;
  /** A client under a PTY, with a /bin/sh at the other end that waits at its prompt. */
  shell(): Promise<Terminal>;
  /** A second client at the shell that `shell` gave last, where that can be. */
  second?(): Promise<Terminal>;
  /** Processes of the server's end, sessions included, and of the gateway. */
  readonly serverPids: number[];
  readonly gatewayPids: number[];
  /** Of one proxied leg; `undefined` where there is no such leg, or it is no TCP. */
  readonly legs: Legs;
  stop(): Promise<void>;
}
