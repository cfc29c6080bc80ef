/** Everything through an HTTP proxy, with a name that only the proxy can resolve: as in many a company's network. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createServer, request, type Server } from "node:http";
import { connect } from "node:net";
import { within } from "../support/wait.ts";
import { World } from "./support.ts";

const HOST = "http://gateway.invalid:8080";
const world = new World({ env: { no_proxy: "", NO_PROXY: "" } });
/** What the proxy was asked for, and by whom. */
const asked: string[] = [];
let proxy: Server;
let env: Record<string, string> = {};

beforeAll(async () => {
  await world.stack.startGateway();
  const target = { host: "127.0.0.1", port: Number(new URL(world.stack.url).port) };
  proxy = createServer((incoming, answer) => {
    const { method = "", url = "", headers } = incoming;
    asked.push(`${method} ${url} ${headers["proxy-authorization"]}`);
    const { pathname, search } = new URL(url);
    const onward = request({ ...target, method, path: pathname + search, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    incoming.pipe(onward);
  });
  proxy.on("connect", ({ url, headers }, socket) => {
    asked.push(`CONNECT ${url} ${headers["proxy-authorization"]}`);
    const onward = connect(target, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on("error", () => socket.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = proxy.address();
  const port = typeof address === "object" && address ? address.port : 0;
  env = { HTTP_PROXY: "", http_proxy: `http://me:secret@127.0.0.1:${port}`, REXEC_INSECURE: "1" };
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  proxy.closeAllConnections();
  proxy.close();
});

const CREDENTIALS = `Basic ${btoa("me:secret")}`;

describe("through a proxy that asks for a name and a password", () => {
  test("an agent registers and connects", async () => {
    await world.stack.register("box", HOST, env);
    expect(asked).toContainEqual(`POST ${HOST}/api/agents/register ${CREDENTIALS}`);
    const { id } = await world.stack.startAgent(env);
    expect(id).not.toBe("");
    expect(asked).toContainEqual(`CONNECT gateway.invalid:8080 ${CREDENTIALS}`);
  }, 40_000);

  test("a person lists, runs a command, and works in a shell", async () => {
    const there = { ...world.stack.clientEnv, ...env, REXEC_HOST: HOST };
    const list = await world.rexec(["ls"], null, 30_000, there);
    expect(list).toMatchObject({ code: 0, stderr: "" });
    expect(list.stdout.toString()).toContain("box");
    const ran = await world.rexec(["exec", "box", "--", "sh", "-c", "cat; exit 5"], "in", 30_000, there);
    expect({ ...ran, stdout: ran.stdout.toString() }).toEqual({ code: 5, stdout: "in", stderr: "" });
    await using terminal = world.terminal(["connect", "box"], { env: there });
    await terminal.see(/[$#] $/, 20_000);
    await terminal.type("echo here-$((6*7))\r");
    await terminal.see("here-42");
    await terminal.type("exit\r");
    await within(terminal.exit(), 20_000, "the shell to end");
  }, 90_000);
});
