/** A TCP proxy on loopback that a test can cut, stall and bring back: the weather between two programs. */
import { connect, createServer, type Server, type Socket } from "node:net";

export class TcpProxy {
  #target: number;
  readonly #pairs = new Set<{ near: Socket; far: Socket }>();
  #server: Server | null = null;
  #port = 0;
  #stalled = false;
  /** Bytes from the target to whoever dialled. */
  down = 0;

  private constructor(target: number) {
    this.#target = target;
  }

  /** Listens on a free port and passes every connection on to `target`. */
  static async to(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await proxy.listen();
    return proxy;
  }

  /** Passes connections on to another port from now on; those that are open stay as they are. */
  aim(target: number): void {
    this.#target = target;
  }

  get port(): number {
    return this.#port;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets every connection; new ones go through. Answers how many there were. */
  cut(): number {
    const count = this.#pairs.size;
    for (const { near, far } of this.#pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    return count;
  }

  /** Lets nothing pass, in either direction, without closing anything: a dead line that nobody was told of. */
  stall(stalled: boolean): void {
    this.#stalled = stalled;
    for (const { near, far } of this.#pairs) {
      for (const socket of [near, far]) stalled ? socket.pause() : socket.resume();
    }
  }

  /** Refuses connections from now on, and cuts those that are open. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    const closed = new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()));
    this.cut();
    await closed;
  }

  /** Takes connections (again), on the same port. */
  async listen(): Promise<void> {
    const server = createServer((near) => this.#accept(near));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    const address = server.address();
    this.#port = typeof address === "object" && address ? address.port : 0;
    this.#server = server;
  }

  /** Ends everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
  }

  #accept(near: Socket): void {
    const far = connect(this.#target, "127.0.0.1");
    const pair = { near, far };
    this.#pairs.add(pair);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // the other half is destroyed on "close"
      socket.on("close", () => {
        this.#pairs.delete(pair);
        near.destroy();
        far.destroy();
      });
    }
    far.on("data", (chunk) => {
      this.down += chunk.length;
    });
    near.pipe(far);
    far.pipe(near);
    if (this.#stalled) this.stall(true);
  }
}
