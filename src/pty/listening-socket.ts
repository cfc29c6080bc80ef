/**
 * Listening sockets that outlive the servers on them. Bun 1.4.5 ignores `fd` in `Bun.serve`, and `tls` in
 * `server.reload()`, so a server opens a socket of its own, and another socket is put into its place: dup2(2), and the
 * event loop is told of it with the words that it had for the old one (proc_pid_fdinfo(5) shows them). Connections that
 * wait in the queue of the other socket are accepted by the new server.
 */
import { ptr } from "bun:ffi";
import { readdirSync, readFileSync } from "node:fs";
import { messageOf, RexecError } from "../lib/errors.ts";
import { duplicate, eventLoops, libc, redirect, setCloseOnExec, setNonBlocking } from "./libc.ts";

/** A socket that a service manager has opened for this process (sd_listen_fds(3)). It stays open until the process ends. */
export interface InheritedSocket {
  readonly fd: number;
  readonly host: string;
  readonly port: number;
}

/** A server, and the descriptor that it listens on, which is the server's to close. */
export interface Listening<Server> {
  readonly server: Server;
  readonly fd: number;
}

/**
 * The socket in LISTEN_FDS. The variables are taken out of `env`: no child is meant.
 * @returns null where no service manager hands one over
 * @throws RexecError `bad_socket` for more than one, or for something else than a TCP socket that listens
 */
export function inheritedSocket(
  env: Record<string, string | undefined>,
  pid = process.pid,
): InheritedSocket | null {
  const { LISTEN_PID, LISTEN_FDS } = env;
  for (const name of ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"]) delete env[name];
  if (LISTEN_PID !== String(pid) || !LISTEN_FDS || LISTEN_FDS === "0") return null;
  if (LISTEN_FDS !== "1") throw badSocket(`${LISTEN_FDS} sockets were handed over`);
  const address = isListening(FIRST_FD) ? addressOf(FIRST_FD) : null;
  if (!address) throw badSocket("what was handed over is no TCP socket that listens");
  setCloseOnExec(FIRST_FD, true);
  // systemd hands it over in blocking mode, in which a connection that is gone again would stop the event loop.
  setNonBlocking(FIRST_FD);
  return { fd: FIRST_FD, ...address };
}

/**
 * Starts a server, on `socket` where one is given: `listen` may open any free port then, on loopback.
 * @param listen opens one listening socket
 * @throws what `listen` throws; RexecError `bad_socket` where the socket cannot be put in its place (no server is left then)
 */
export function listenOn<Server extends { stop(force: boolean): unknown }>(
  socket: number | null,
  listen: () => Server,
): Listening<Server> {
  const before = new Set(listeningDescriptors());
  const server = listen();
  try {
    const [fd, ...more] = listeningDescriptors().filter((each) => !before.has(each));
    if (fd === undefined || more.length > 0)
      throw new Error(`${more.length + Number(fd !== undefined)} sockets listen`);
    if (socket !== null) putInPlace(socket, fd);
    return { server, fd };
  } catch (error) {
    void server.stop(true);
    throw new RexecError(`cannot hand a listening socket to the server: ${messageOf(error)}`, {
      code: "bad_socket",
      hint: "it takes /proc; without it start the gateway on a socket of its own",
      cause: error,
    });
  }
}

/** A second descriptor of a server's socket, with which it outlives the server. @throws Error where none is free */
export const keepSocket = duplicate;

// --- internal ---

/** SD_LISTEN_FDS_START */
const FIRST_FD = 3;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const AF_INET = 2;
const AF_INET6 = 10;
/** Of sockaddr_in6, and some more. */
const ADDRESS_BYTES = 32;
const EPOLL_CTL_ADD = 1;

function badSocket(what: string): RexecError {
  return new RexecError(`cannot take over the listening socket: ${what}`, {
    code: "bad_socket",
    hint: "the socket unit has one ListenStream=, an address and a port",
  });
}

function listeningDescriptors(): number[] {
  return readdirSync("/proc/self/fd").map(Number).filter(isListening);
}

function isListening(fd: number): boolean {
  const [value, size] = [new Int32Array(1), Int32Array.of(4)];
  return libc().getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, value, size) === 0 && value[0] === 1;
}

function addressOf(fd: number): { host: string; port: number } | null {
  const bytes = new Uint8Array(ADDRESS_BYTES);
  if (libc().getsockname(fd, bytes, Int32Array.of(ADDRESS_BYTES)) !== 0) return null;
  const view = new DataView(bytes.buffer);
  const family = view.getUint16(0, true);
  const port = view.getUint16(2);
  if (family === AF_INET) return { host: bytes.slice(4, 8).join("."), port };
  if (family !== AF_INET6) return null;
  const words = Array.from({ length: 8 }, (_, n) => view.getUint16(8 + 2 * n).toString(16));
  return { host: new URL(`http://[${words.join(":")}]`).hostname.slice(1, -1), port };
}

/** Closes what `fd` was, and makes it another name of `socket`. */
function putInPlace(socket: number, fd: number): void {
  const watched = watchOf(fd);
  if (!watched) throw new Error("no event loop watches the server's socket");
  redirect(socket, fd);
  setCloseOnExec(fd, true);
  // struct epoll_event: packed on x86-64 alone.
  const event = new DataView(new ArrayBuffer(16));
  event.setUint32(0, watched.events, true);
  event.setBigUint64(process.arch === "x64" ? 4 : 8, watched.data, true);
  if (libc().epoll_ctl(watched.loop, EPOLL_CTL_ADD, fd, ptr(event.buffer)) !== 0) {
    throw new Error("the event loop does not take the socket");
  }
}

interface Watch {
  loop: number;
  events: number;
  data: bigint;
}

/** The event loop that a descriptor is in, and what stands there of it. */
function watchOf(fd: number): Watch | null {
  for (const loop of eventLoops()) {
    const info = readFileSync(`/proc/self/fdinfo/${loop}`, "utf8");
    for (const [, target, events = "", data = ""] of info.matchAll(TARGET)) {
      if (Number(target) === fd)
        return { loop, events: Number.parseInt(events, 16), data: BigInt(`0x${data}`) };
    }
  }
  return null;
}

const TARGET = /^tfd:\s*(\d+) events:\s*([\da-f]+) data:\s*([\da-f]+)/gm;
