/**
 * A TCP proxy on loopback that can be cut, stalled, delayed, throttled, split, half-closed and refused: the bad
 * weather of the chaos tests and the slow lines of the bench. `Storm` drives it by a forecast.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Blow, BlowKind, Gust } from "./forecast.ts";
import { Line, Pipe } from "./pipe.ts";
import { narrow } from "./socket-buffers.ts";

interface Pair {
  /** Whoever dialled. */
  near: Socket;
  far: Socket;
  pipes: readonly [Pipe, Pipe];
  /** Neither end hears of the other any more. */
  vanished: boolean;
}

export interface ProxyOptions {
  /** Small kernel buffers, so that a throttled line holds little. Default false. */
  narrow?: boolean;
}

export class ChaosProxy {
  /** From whoever dialled to the target, and back. */
  readonly up = new Line();
  readonly down = new Line();
  /** Called whenever bytes have passed. */
  onPassed: () => void = () => {};
  /** Connections taken so far. */
  accepted = 0;
  #target: number;
  readonly #narrow: boolean;
  readonly #pairs = new Set<Pair>();
  #server: Server | null = null;
  #port = 0;

  private constructor(target: number, options: ProxyOptions) {
    this.#target = target;
    this.#narrow = options.narrow ?? false;
  }

  /** Listens on a free port and passes every connection on to `target`. */
  static async to(target: number, options: ProxyOptions = {}): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(target, options);
    await proxy.listen();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Bytes that have passed, both directions. */
  get passed(): number {
    return this.up.passed + this.down.passed;
  }

  /** Connections that pass something. */
  get connections(): number {
    return [...this.#pairs].filter(({ vanished }) => !vanished).length;
  }

  /** Ends every connection at both ends; new ones go through. Answers how many there were. */
  cut(how: "rst" | "fin" = "rst"): number {
    const living = [...this.#pairs].filter(({ vanished }) => !vanished);
    for (const pair of living) {
      for (const pipe of pair.pipes) pipe.kill();
      for (const socket of [pair.near, pair.far]) how === "rst" ? socket.resetAndDestroy() : socket.end();
      // An end that does not answer the FIN is not waited for.
      if (how === "fin") setTimeout(() => drop(pair), 100).unref();
    }
    return living.length;
  }

  /** Both ends keep their sockets and get nothing by them any more. Answers how many connections there were. */
  vanish(): number {
    const living = [...this.#pairs].filter(({ vanished }) => !vanished);
    for (const pair of living) {
      pair.vanished = true;
      for (const pipe of pair.pipes) pipe.kill();
    }
    return living.length;
  }

  /** One end hears a FIN, and is still listened to. */
  halfClose(of: "near" | "far"): number {
    const living = [...this.#pairs].filter(({ vanished }) => !vanished);
    for (const pair of living) pair[of].end();
    return living.length;
  }

  /** Nothing passes and nothing is closed, for connections of before and after. */
  stall(stalled: boolean): void {
    this.#change((line) => {
      line.stalled = stalled;
    });
  }

  delay(latencyMs: number): void {
    this.#change((line) => {
      line.latencyMs = latencyMs;
    });
  }

  /** In each direction; 0 ends it. */
  throttle(bytesPerSecond: number): void {
    this.#change((line) => {
      line.rate = bytesPerSecond;
    });
  }

  split(most: number): void {
    this.#change((line) => {
      line.most = most;
    });
  }

  /** Refuses connections from now on, and cuts those that are open. */
  async refuse(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    server?.close();
    this.cut();
  }

  /** Takes connections (again), on the same port. */
  async listen(): Promise<void> {
    if (this.#server) return;
    const server = createServer({ allowHalfOpen: true }, (near) => this.#accept(near));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(this.#port, "127.0.0.1", resolve);
    });
    if (this.#narrow) narrow(server);
    const address = server.address();
    this.#port = typeof address === "object" && address ? address.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.refuse();
    for (const pair of this.#pairs) drop(pair);
  }

  // --- internal ---

  #change(change: (line: Line) => void): void {
    for (const line of [this.up, this.down]) change(line);
    for (const { pipes } of this.#pairs) for (const pipe of pipes) pipe.pump();
  }

  #accept(near: Socket): void {
    this.accepted += 1;
    const far = connect({ port: this.#target, host: "127.0.0.1", allowHalfOpen: true }, () => {
      if (this.#narrow) narrow(far);
    });
    const passed = () => this.onPassed();
    const pipes = [new Pipe(near, far, this.up, passed), new Pipe(far, near, this.down, passed)] as const;
    const pair: Pair = { near, far, pipes, vanished: false };
    this.#pairs.add(pair);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // "close" follows
      socket.on("close", (failed) => {
        if (pair.vanished && !other.destroyed) return;
        if (failed) other.resetAndDestroy();
        if (near.destroyed && far.destroyed) drop(pair);
        if (failed || other.destroyed) this.#pairs.delete(pair);
      });
    }
  }
}

/** Lets a forecast loose on a proxy, until it is told to stop. */
export class Storm {
  /** What has happened so far. Cuts that met no connection are not counted. */
  readonly count: Record<BlowKind, number> = {
    cut: 0,
    vanish: 0,
    halfClose: 0,
    stall: 0,
    refuse: 0,
    delay: 0,
    throttle: 0,
    split: 0,
  };
  readonly #proxy: ChaosProxy;
  readonly #gusts: Iterator<Gust, unknown>;
  readonly #stop = Promise.withResolvers<void>();
  #stopped = false;
  readonly #over: Promise<void>;

  constructor(proxy: ChaosProxy, gusts: Iterator<Gust, unknown>) {
    this.#proxy = proxy;
    this.#gusts = gusts;
    this.#over = this.#run();
  }

  /** Connections that were ended, in whichever way. */
  get cuts(): number {
    return this.count.cut + this.count.vanish + this.count.halfClose + this.count.refuse;
  }

  /** Clear weather from now on. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#stop.resolve();
    await this.#over;
  }

  // --- internal ---

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const { value, done } = this.#gusts.next();
      if (done || !isGust(value)) return;
      await this.#wait(value.afterMs, value.afterBytes);
      if (this.#stopped) break;
      await this.#blow(value.blow);
    }
    this.#proxy.onPassed = () => {};
  }

  async #blow(blow: Blow): Promise<void> {
    const proxy = this.#proxy;
    const { count } = this;
    switch (blow.kind) {
      case "cut":
        count.cut += Math.sign(proxy.cut(blow.how));
        return;
      case "vanish":
        count.vanish += Math.sign(proxy.vanish());
        return;
      case "halfClose":
        count.halfClose += Math.sign(proxy.halfClose(blow.of));
        return;
      case "refuse":
        count.refuse += Math.sign(proxy.connections);
        await proxy.refuse();
        await this.#wait(blow.ms);
        return proxy.listen();
      default:
        count[blow.kind] += 1;
        begin(proxy, blow);
        await this.#wait(blow.ms);
        return calm(proxy, blow.kind);
    }
  }

  async #wait(ms: number, bytes = Number.POSITIVE_INFINITY): Promise<void> {
    const until = this.#proxy.passed + bytes;
    const { promise: passed, resolve } = Promise.withResolvers<void>();
    this.#proxy.onPassed = () => {
      if (this.#proxy.passed >= until) resolve();
    };
    const timer = setTimeout(resolve, ms);
    await Promise.race([passed, this.#stop.promise]);
    clearTimeout(timer);
  }
}

type Spell = Extract<Blow, { kind: "stall" | "delay" | "throttle" | "split" }>;

function begin(proxy: ChaosProxy, blow: Spell): void {
  if (blow.kind === "stall") proxy.stall(true);
  else if (blow.kind === "delay") proxy.delay(blow.latencyMs);
  else if (blow.kind === "throttle") proxy.throttle(blow.bytesPerSecond);
  else proxy.split(blow.most);
}

function calm(proxy: ChaosProxy, kind: Spell["kind"]): void {
  if (kind === "stall") proxy.stall(false);
  else if (kind === "delay") proxy.delay(0);
  else if (kind === "throttle") proxy.throttle(0);
  else proxy.split(0);
}

function isGust(value: unknown): value is Gust {
  return typeof value === "object" && value !== null && "blow" in value;
}

function drop({ near, far, pipes }: Pair): void {
  for (const pipe of pipes) pipe.kill();
  near.destroy();
  far.destroy();
}
