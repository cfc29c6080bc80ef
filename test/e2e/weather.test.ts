import { afterEach, describe, expect, test } from "bun:test";
import { running } from "../support/proc.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { until } from "../support/wait.ts";
import { World } from "./support.ts";

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each[Symbol.asyncDispose]();
});

describe("a shell outlives what happens between it and its viewer", () => {
  test("kill -9 of the gateway: agent and viewer come back to the same shell by themselves", async () => {
    const world = await World.start();
    open.push(world);
    const terminal = world.terminal(["connect", "box", "--new"]);
    open.push(terminal);
    await terminal.see(/[$#] $/);
    await terminal.type("kept=across-$$; echo pid:$$\r");
    const [, pid] = await terminal.see(/pid:(\d+)/);

    await world.stack.stopGateway("SIGKILL");
    await world.stack.startGateway();

    // Typed into the gap or after it: it arrives, once.
    await terminal.type("echo kept:$kept\r");
    await terminal.see(`kept:across-${pid}`, 45_000);
    await terminal.type("exit 3\r");
    expect((await terminal.exit()).exitCode).toBe(3);
  }, 90_000);

  test("the agent's line cut in the middle of output: the shell goes on, and every line of it is shown once", async () => {
    const world = new World();
    open.push(world);
    await world.stack.startGateway();
    const proxy = await TcpProxy.to(Number(new URL(world.stack.url).port));
    open.push(proxy);
    await world.stack.register("box", `http://127.0.0.1:${proxy.port}`);
    await world.stack.startAgent();

    const terminal = world.terminal(["connect", "box", "--new"]);
    open.push(terminal);
    await terminal.see(/[$#] $/);
    await terminal.type("for i in $(seq 1 30); do echo line-$i; sleep 0.1; done; echo all-$((1+1))-done\r");
    await terminal.see("line-5\r");
    await proxy.refuse();
    await until(async () => !(await world.isOnline()), 20_000, "the gateway to miss the agent");
    await proxy.listen();
    await terminal.see("all-2-done", 60_000);
    const numbers = [...terminal.shown.matchAll(/line-(\d+)\r/g)].map((match) => Number(match[1]));
    expect(numbers).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  }, 90_000);

  test("an agent that was stopped by SIGTERM leaves no shell behind", async () => {
    const world = await World.start();
    open.push(world);
    const terminal = world.terminal(["connect", "box", "--new"]);
    open.push(terminal);
    await terminal.see(/[$#] $/);
    await terminal.type("sleep 4321 & echo pid:$$\r");
    const [, pid] = await terminal.see(/pid:(\d+)/);
    await world.stack.stopAgent();
    await until(() => !alive(Number(pid)), 5_000, "the shell to be gone");
    expect(running("sleep 4321")).toEqual([]);
  });
});

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
