/** An agent under a service manager that listens: ready, state in words, stopping, and the watchdog's food. */
import type { UplinkState } from "../uplink/state.ts";
import { type Notify, notifier, watchdogMs } from "./notify.ts";

/** What the running agent tells; nothing of it does anything where no service manager listens. */
export interface Supervision extends Disposable {
  /** Give it every state of the uplink. */
  state(state: UplinkState): void;
  /** Before the shells are ended. */
  stopping(): void;
}

/**
 * Ready means: connected, or the first try has shown that the server cannot be reached now. A boot without a network
 * is no failure of the service, for the agent goes on trying; a server that rejects it is one, and ends it before.
 * @param host as the state line names it
 */
export function supervise(env: Readonly<Record<string, string | undefined>>, host: string): Supervision {
  const notify = notifier(env);
  if (!notify) return { state() {}, stopping() {}, [Symbol.dispose]() {} };
  const stopWatchdog = feedWatchdog(notify, watchdogMs(env));
  let isReady = false;
  return {
    state(state) {
      const words = describe(state, host);
      if (words === null) return;
      const isFirst = !isReady && state.phase !== "stopped";
      notify(...(isFirst ? ["READY=1"] : []), `STATUS=${words}`);
      isReady ||= isFirst;
    },
    stopping: () => notify("STOPPING=1", "STATUS=stopping: ending the shells"),
    [Symbol.dispose]: stopWatchdog,
  };
}

/** Three times in each interval, from the event loop: one that hangs feeds no watchdog. */
export function feedWatchdog(notify: Notify, intervalMs: number | null): () => void {
  if (intervalMs === null) return () => {};
  notify("WATCHDOG=1");
  const timer = setInterval(() => notify("WATCHDOG=1"), intervalMs / 3);
  return () => clearInterval(timer);
}

// --- internal ---

/** Null where there is nothing new to say: while it dials, or tries the other way at once. */
function describe(state: UplinkState, host: string): string | null {
  // The state's own time is a monotonic clock's.
  if (state.phase === "connected") return `connected to ${host} since ${new Date().toISOString()}`;
  if (state.phase === "waiting" && state.delayMs > 0) return `not connected: ${state.reason}; trying again`;
  if (state.phase === "stopped" && state.error) return state.error.message;
  return null;
}
