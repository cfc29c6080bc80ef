/**
 * sd_notify(3): tells systemd how the agent is. A datagram to the socket that NOTIFY_SOCKET names; Bun has no Unix
 * datagram sockets, hence libc.
 */
import { libc } from "../../pty/libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Of `sun_path` in sockaddr_un, bytes. */
const LONGEST_PATH = 108;

/** Sends `KEY=value` lines; a service manager that does not listen, or is gone, is no error. */
export type Notify = (...lines: readonly string[]) => void;

/** How to reach the service manager that started this process, or null where none did that listens. */
export function notifier(env: Readonly<Record<string, string | undefined>>): Notify | null {
  const address = socketAddress(env.NOTIFY_SOCKET ?? "");
  if (!address) return null;
  let fd = -1;
  return (...lines) => {
    const { socket, sendto } = libc();
    if (fd < 0) fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const text = Buffer.from(lines.map((line) => line.replaceAll("\n", " ")).join("\n"));
    // Never blocks: a watchdog's message that finds the queue full is followed by another one.
    if (fd >= 0) sendto(fd, text, text.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length);
  };
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

// --- internal ---

/** sockaddr_un: the family in the machine's order (little-endian on all that we build for), then the path. */
function socketAddress(path: string): Uint8Array | null {
  // "@" stands for the NUL of an abstract socket, whose name ends with the address; a path ends with a NUL.
  const isAbstract = path.startsWith("@");
  if (!isAbstract && !path.startsWith("/")) return null;
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > LONGEST_PATH) return null;
  return Buffer.concat([Uint8Array.of(AF_UNIX, 0), name]);
}
