/**
 * Small kernel buffers for a socket. A slow line whose near end takes megabytes ahead of it measures that buffer and
 * nothing else; Bun and Node have no option for TCP sockets, so libc is asked.
 */
import { dlopen, ptr } from "bun:ffi";

/** The kernel doubles it for its own bookkeeping. */
const RECEIVE_BYTES = 16 * 1024;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;

const libc = dlopen("libc.so.6", {
  setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
});

/**
 * Makes the receive buffer of a socket small, or of all that a server accepts from now on.
 * @throws Error where the runtime hides the file descriptor or the kernel refuses
 */
export function narrow(socket: object): void {
  const handle: unknown = Reflect.get(socket, "_handle");
  const fd: unknown = typeof handle === "object" && handle !== null ? Reflect.get(handle, "fd") : undefined;
  if (typeof fd !== "number" || fd < 0) throw new Error("the socket has no file descriptor to be asked for");
  const value = new Int32Array([RECEIVE_BYTES]);
  const result = libc.symbols.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, ptr(value), value.byteLength);
  if (result !== 0) throw new Error(`SO_RCVBUF of descriptor ${fd} cannot be set`);
}
