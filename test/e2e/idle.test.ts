import { test } from "bun:test";
import { rssMegabytes } from "../support/proc.ts";
import { until } from "../support/wait.ts";
import { World } from "./support.ts";

test("an idle agent comes down to less than 50 MB, and a shell on it works as before", async () => {
  await using world = await World.start();
  const { agentPid } = world.stack;
  await until(
    () => rssMegabytes([agentPid]) < 50,
    15_000,
    "the agent to let go of what only its start needed",
  );
  await using terminal = world.terminal(["connect", "box", "--new"]);
  await terminal.see(/[$#] $/);
  await terminal.type("echo $((6*7))\r");
  await terminal.see("42");
});
