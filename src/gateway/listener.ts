/**
 * The listening socket, which is closed while the process has hardly any descriptors left: a connection that cannot be
 * accepted would keep the event loop busy, and the open connections would starve with it. Open connections stay open.
 */
import { closeSync } from "node:fs";
import type { Server } from "bun";
import type { Logger } from "../lib/log.ts";
import { descriptorLimit, openDescriptors, Reserve } from "./descriptors.ts";
import type { SocketData } from "./sockets/connection.ts";

/**
 * How a socket outlives the servers on it: `pty/listening-socket.ts`, which the command hands in. Without it a new
 * certificate takes a restart, and no socket can be inherited.
 */
export interface SocketTools {
  listenOn(
    socket: number | null,
    listen: () => Server<SocketData>,
  ): { server: Server<SocketData>; fd: number };
  /** A second descriptor of it. */
  keepSocket(fd: number): number;
}

/** Where and how to listen. */
export interface ListenerOptions {
  /**
   * Starts a server on the port, 0 for any free one.
   * @param isOwn false where an inherited socket takes the place of the server's: its port is any free one of loopback
   */
  listen(port: number, isOwn: boolean): Server<SocketData>;
  port: number;
  /** A socket of the service manager's, which stays open when this listener stops. */
  inherited?: { readonly fd: number; readonly port: number } | undefined;
  tools?: SocketTools | undefined;
  logger: Logger;
}

/** How often the descriptors are counted, milliseconds. */
const CHECK_MS = 250;
/** Free descriptors below which the listener closes: an eighth of the limit, within these bounds. */
const LEAST_FREE = 16;
const MOST_FREE = 256;
/** Of them, so many are held in reserve: many connections may come between two counts. */
const RESERVE = 12;

/** The listening socket of the gateway. Closes and reopens it by the number of free descriptors, until `stop`. */
export class Listener {
  readonly port: number;
  readonly #options: ListenerOptions;
  readonly #logger: Logger;
  readonly #limit = descriptorLimit();
  readonly #free = Math.min(MOST_FREE, Math.max(LEAST_FREE, Math.floor(this.#limit / 8)));
  readonly #reserve = new Reserve(RESERVE);
  readonly #timer = setInterval(() => this.#check(), CHECK_MS);
  /** The server that listens; null while none does. */
  #server: Server<SocketData> | null;
  /** The descriptor of its socket, where that is known. */
  #fd: number | null = null;
  /** Servers that no longer listen and still have connections. */
  #former: Server<SocketData>[] = [];

  /** @throws what `listen` throws */
  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#logger = options.logger;
    const { inherited, port } = options;
    try {
      this.#server = this.#start(inherited?.fd ?? null, port);
    } catch (error) {
      this.#end();
      throw error;
    }
    this.port = inherited?.port ?? this.#server.port ?? port;
  }

  /**
   * Has a new server take the place of the one that listens, which keeps its open connections. No connection is refused
   * or lost meanwhile.
   * @throws what `listen` throws, or Error where that cannot be done here; the server of before goes on then
   */
  renew(): void {
    // The next one that is opened is new anyway.
    if (!this.#server) return;
    const former = this.#server;
    const { inherited, tools } = this.#options;
    if (!tools || this.#fd === null)
      throw new Error("this build cannot hand a socket from one server to another");
    const kept = inherited?.fd ?? tools.keepSocket(this.#fd);
    try {
      this.#server = this.#start(kept, this.port);
    } finally {
      if (!inherited) closeSync(kept);
    }
    this.#former.push(former);
    void former.stop();
  }

  /** Accepts no more connections. Resolves when every request and socket has ended; `force` ends them. */
  async stop(force = false): Promise<void> {
    this.#end();
    const servers = [...this.#former, ...(this.#server ? [this.#server] : [])];
    await Promise.all(servers.map((server) => server.stop(force)));
  }

  // --- internal ---

  /** @param socket that it is to listen on; null for one of its own */
  #start(socket: number | null, port: number): Server<SocketData> {
    const { listen, tools } = this.#options;
    if (!tools) return listen(port, true);
    const { server, fd } = tools.listenOn(socket, () => listen(socket === null ? port : 0, socket === null));
    this.#fd = fd;
    return server;
  }

  #check(): void {
    this.#former = this.#former.filter((server) => server.pendingRequests + server.pendingWebSockets > 0);
    const free = this.#limit - openDescriptors();
    if (this.#server && free < this.#free) this.#close(this.#server, free);
    else if (!this.#server && free >= 2 * this.#free) this.#open();
  }

  #close(server: Server<SocketData>, free: number): void {
    this.#reserve.release();
    this.#server = null;
    this.#former.push(server);
    void server.stop();
    this.#logger.warn(
      `${free} of ${this.#limit} file descriptors are free: no new connections until ${2 * this.#free} are. More: LimitNOFILE= of the service, or ulimit -n`,
    );
  }

  #open(): void {
    try {
      this.#server = this.#start(this.#options.inherited?.fd ?? null, this.port);
    } catch (error) {
      // Another program may have taken the port. The next check tries again.
      this.#logger.error(`cannot listen again: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    this.#reserve.fill();
    this.#logger.info("new connections are accepted again");
  }

  #end(): void {
    clearInterval(this.#timer);
    this.#reserve.release();
  }
}
