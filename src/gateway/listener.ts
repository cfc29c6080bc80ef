/**
 * The listening socket, which is closed while the process has hardly any descriptors left: a connection that cannot be
 * accepted would keep the event loop busy, and the open connections would starve with it. Open connections stay open.
 */
import type { Server } from "bun";
import type { Logger } from "../lib/log.ts";
import { descriptorLimit, openDescriptors, Reserve } from "./descriptors.ts";
import type { SocketData } from "./sockets/connection.ts";

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
  readonly #listen: (port: number) => Server<SocketData>;
  readonly #logger: Logger;
  readonly #limit = descriptorLimit();
  readonly #free = Math.min(MOST_FREE, Math.max(LEAST_FREE, Math.floor(this.#limit / 8)));
  readonly #reserve = new Reserve(RESERVE);
  readonly #timer = setInterval(() => this.#check(), CHECK_MS);
  /** The server that listens; null while none does. */
  #server: Server<SocketData> | null;
  /** Servers that no longer listen and still have connections. */
  #former: Server<SocketData>[] = [];

  /**
   * @param listen starts a server on the port, 0 for any free one
   * @throws what `listen` throws
   */
  constructor(listen: (port: number) => Server<SocketData>, port: number, logger: Logger) {
    this.#listen = listen;
    this.#logger = logger;
    try {
      this.#server = listen(port);
    } catch (error) {
      this.#end();
      throw error;
    }
    this.port = this.#server.port ?? port;
  }

  /** Accepts no more connections. Resolves when every request and socket has ended; `force` ends them. */
  async stop(force = false): Promise<void> {
    this.#end();
    const servers = [...this.#former, ...(this.#server ? [this.#server] : [])];
    await Promise.all(servers.map((server) => server.stop(force)));
  }

  // --- internal ---

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
      this.#server = this.#listen(this.port);
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
