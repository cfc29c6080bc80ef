/** A TCP proxy that counts what passes. */
import { connect, createServer, type Socket } from "node:net";

export interface CountingProxy {
  port: number;
  /** Bytes from the server to whoever dialled, and the other way. */
  down: number;
  up: number;
  close(): void;
}

/** Passes connections on to a port on loopback. */
export async function countingProxy(target: number): Promise<CountingProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        near.destroy();
        far.destroy();
      });
    }
    near.on("data", (chunk) => {
      proxy.up += chunk.length;
    });
    far.on("data", (chunk) => {
      proxy.down += chunk.length;
    });
    near.pipe(far);
    far.pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const proxy: CountingProxy = {
    port: typeof address === "object" && address ? address.port : 0,
    down: 0,
    up: 0,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return proxy;
}
