/**
 * The bytes that this process has read from each TCP connection, as the kernel counts them. Bun reports a WebSocket frame
 * only once it is whole, and not how much of one it holds.
 */
import { dlopen, ptr } from "bun:ffi";
import { readdirSync } from "node:fs";

/** Bytes of each connection, under `address:port` of its other end. */
export type Received = ReadonlyMap<string, number>;

/** Linux: asm-generic and x86 agree. */
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const FIONREAD = 0x541b;
const AF_INET = 2;
const AF_INET6 = 10;
/** Of `tcpi_bytes_received` in struct tcp_info (include/uapi/linux/tcp.h). */
const BYTES_RECEIVED = 128;
const INFO_BYTES = BYTES_RECEIVED + 8;

/** Reads the counts of all connections. */
export type TcpReceived = () => Received;

/** Null where the C library is another than Linux's usual one. */
export function tcpReceived(): TcpReceived | null {
  const libc = load();
  if (!libc) return null;
  const address = new Uint8Array(28);
  const info = new Uint8Array(256);
  const length = new Uint32Array(1);
  const unread = new Int32Array(1);
  const view = new DataView(info.buffer);
  return () => {
    const all = new Map<string, number>();
    for (const name of readdirSync("/proc/self/fd")) {
      const fd = Number(name);
      length[0] = address.length;
      if (libc.getpeername(fd, ptr(address), ptr(length)) !== 0) continue;
      const peer = nameOf(address);
      length[0] = info.length;
      if (peer === null || libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, ptr(info), ptr(length)) !== 0) continue;
      if ((length[0] ?? 0) < INFO_BYTES || libc.ioctl(fd, FIONREAD, ptr(unread)) !== 0) continue;
      all.set(peer, Number(view.getBigUint64(BYTES_RECEIVED, true)) - (unread[0] ?? 0));
    }
    return all;
  };
}

/** An address as the kernel's bytes, so that each has one spelling. */
export function peerName(address: string, port: number): string {
  return `${address.replace(/^::ffff:(?=\d+\.)/i, "")}:${port}`;
}

// --- internal ---

function load() {
  try {
    return dlopen("libc.so.6", {
      getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
      getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
      ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
    }).symbols;
  } catch {
    return null;
  }
}

/** `address:port` of a struct sockaddr_in or sockaddr_in6; null for one of another family. */
function nameOf(bytes: Uint8Array): string | null {
  const family = bytes[0] ?? 0;
  const port = (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0);
  if (family === AF_INET) return peerName(bytes.subarray(4, 8).join("."), port);
  if (family !== AF_INET6) return null;
  const groups = Array.from({ length: 8 }, (_, at) =>
    ((bytes[8 + 2 * at] ?? 0) * 256 + (bytes[9 + 2 * at] ?? 0)).toString(16),
  );
  const isMapped = groups.slice(0, 5).every((group) => group === "0") && groups[5] === "ffff";
  if (isMapped) return peerName(bytes.subarray(20, 24).join("."), port);
  // A URL has the one short spelling that Bun's addresses have too.
  return peerName(new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1), port);
}
