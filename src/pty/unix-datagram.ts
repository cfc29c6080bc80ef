/** Unix datagram sockets, which Bun has none of: hence libc. */
import { libc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Of `sun_path` in sockaddr_un, bytes. */
const LONGEST_PATH = 108;

/** Sends one datagram. Never blocks; false where it was not taken: the queue is full, or nothing listens. */
export type SendDatagram = (bytes: Uint8Array) => boolean;

/**
 * The way to the socket at a path; `@` stands for the NUL of an abstract one. The socket of this end is opened by the first
 * datagram and stays open as long as the process. Null for what is no path of a socket.
 */
export function unixDatagram(path: string): SendDatagram | null {
  const address = socketAddress(path);
  if (!address) return null;
  let fd = -1;
  return (bytes) => {
    const { socket, sendto } = libc();
    if (fd < 0) fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    const sent = sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length);
    return Number(sent) >= 0;
  };
}

// --- internal ---

/** sockaddr_un: the family in the machine's order (little-endian on all that we build for), then the path. */
function socketAddress(path: string): Uint8Array | null {
  // An abstract socket's name ends with the address; a path ends with a NUL.
  const isAbstract = path.startsWith("@");
  if (!isAbstract && !path.startsWith("/")) return null;
  const name = Buffer.from(isAbstract ? `\0${path.slice(1)}` : `${path}\0`);
  if (name.length > LONGEST_PATH) return null;
  return Buffer.concat([Uint8Array.of(AF_UNIX, 0), name]);
}
