/** sd_notify(3): tells systemd how the agent is. A datagram to the socket that NOTIFY_SOCKET names. */
import { unixDatagram } from "../../pty/unix-datagram.ts";

/** Sends `KEY=value` lines; a service manager that does not listen, or is gone, is no error. */
export type Notify = (...lines: readonly string[]) => void;

/** How to reach the service manager that started this process, or null where none did that listens. */
export function notifier(env: Readonly<Record<string, string | undefined>>): Notify | null {
  const send = unixDatagram(env.NOTIFY_SOCKET ?? "");
  if (!send) return null;
  // A watchdog's message that finds the queue full is followed by another one.
  return (...lines) => void send(Buffer.from(lines.map((line) => line.replaceAll("\n", " ")).join("\n")));
}

/** Interval of the watchdog in ms, or null where there is none or it is for another process. */
export function watchdogMs(
  env: Readonly<Record<string, string | undefined>>,
  pid = process.pid,
): number | null {
  const usec = Number(env.WATCHDOG_USEC);
  if (!Number.isSafeInteger(usec) || usec <= 0) return null;
  if (env.WATCHDOG_PID && env.WATCHDOG_PID !== String(pid)) return null;
  return usec / 1000;
}
