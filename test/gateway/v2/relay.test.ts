import { describe, expect, test } from "bun:test";
import { v2Stage } from "../../support/v2-stage.ts";
import { until } from "../../support/wait.ts";

describe("a viewer of a running shell", () => {
  test("gets v2, a screen, then live bytes; its input reaches the shell", async () => {
    await using here = await v2Stage();
    await here.agent.write("main", "before\r\n");
    await using viewer = here.viewer({ cols: 100, rows: 40 });
    await viewer.attach();
    expect(viewer.protocol).toBe("rexec.v2");
    await viewer.sees("before");
    expect(viewer.screens[0]).toMatchObject({ offset: 8, skipped: 0 });
    await here.agent.write("main", "after");
    await viewer.sees("after");
    expect(viewer.text).toBe("after");
    viewer.type("ls\n");
    await until(() => here.agent.shell("main").typed.toString() === "ls\n", 2_000, "the input");
    await until(() => viewer.inputConsumed === 3, 2_000, "its ack");
    expect(here.agent.shell("main").sizes.at(-1)).toEqual({ cols: 100, rows: 40 });
  });
});
