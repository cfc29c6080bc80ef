import { describe, expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import { V1Server } from "../support/v1-server.ts";
import { until } from "../support/wait.ts";

interface Stage extends AsyncDisposable {
  server: V1Server;
  /** Runs `during` in the shell while no server is there, and gives the next server. */
  whileAway(command: string): Promise<V1Server>;
}

async function stage(sessionBuffer?: number): Promise<Stage> {
  const server = new V1Server();
  const { port } = server;
  const agent = startAgent({
    host: server.url,
    token: server.token,
    agentId: server.agentId,
    ...(sessionBuffer === undefined ? {} : { sessionBuffer }),
  });
  await server.connected();
  server.start();
  await server.reached("started");
  server.type("stty -echo -onlcr; PS1=; echo BE''GIN\n");
  await server.printed("BEGIN\n");
  let next: V1Server | null = null;
  return {
    server,
    async whileAway(command) {
      // What the shell does waits until the server is seen to be gone.
      server.type(`sleep 0.5; ${command}\n`);
      await server.stop();
      await until(() => agent.states.some(({ phase }) => phase === "waiting"), 5_000, "the line to be lost");
      await Bun.sleep(1_000);
      next = new V1Server({ port });
      await next.connected(1, 10_000);
      return next;
    },
    async [Symbol.asyncDispose]() {
      await agent.stop();
      await next?.stop();
    },
  };
}

describe("what a shell printed while a server of rexec.v1 was away", () => {
  const ways: [string, (server: V1Server) => void][] = [
    ["starts the shell", (server) => server.start()],
    ["types into it", (server) => server.type("\n")],
    ["resizes it", (server) => server.send("shell_resize", { session_id: "main", cols: 90, rows: 30 })],
  ];

  test.each(ways)(
    "waits until the next server %s",
    async (_, name) => {
      await using here = await stage();
      const next = await here.whileAway("echo while a''way");
      await next.exec({ command: "true" }); // what was to be sent by itself has been sent
      expect(next.output()).toBe("");
      name(next);
      await next.printed("while away\n");
    },
    30_000,
  );

  test("asks nothing then: the question was for a viewer that is gone", async () => {
    await using here = await stage();
    const next = await here.whileAway("printf 'a\\033[6nb\\033]11;?\\007c\\033P+q544e\\033\\\\d\\n'");
    next.start();
    await next.printed("abcd\n");
  }, 30_000);

  test("is told with the end of the shell where it has ended, and a new one starts then", async () => {
    await using here = await stage();
    const next = await here.whileAway("echo last wo''rds; exit 7");
    await next.exec({ command: "true" });
    expect(next.output()).toBe("");
    next.start();
    await next.printed("last words\n");
    await until(() => next.sessions.get("main")?.state === "started", 5_000, "another shell");
    expect(next.types.lastIndexOf("shell_stopped")).toBeLessThan(next.types.lastIndexOf("shell_started"));
  }, 30_000);

  test("is sent after a while all the same, and again to a server that names the session later", async () => {
    await using here = await stage();
    const next = await here.whileAway("echo while a''way");
    await next.printed("while away\n");
    next.start();
    await until(() => next.output().match(/while away\n/g)?.length === 2, 5_000, "the same again");
  }, 30_000);

  test("does not stop the shell for good; who asks later hears how much it was", async () => {
    await using here = await stage(64 * 1024);
    const next = await here.whileAway("seq 1 400000; echo do''ne");
    await next.printed("done\n", "main", 20_000);
    next.start();
    await next.printed(/\[rexec: \d+ bytes of output skipped, no viewer was there\]/, "main", 5_000);
    await until(() => next.output().endsWith("399999\n400000\ndone\n"), 5_000, "the last lines");
  }, 60_000);
});
