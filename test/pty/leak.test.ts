import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { until } from "../support/wait.ts";
import { backends, holdings, members, readAll, script } from "./sessions.ts";

setDefaultTimeout(30_000);

/** What is held now beyond what was before, or null. Bun's own pool of threads and descriptors breathes a little. */
function exceeds(now: ReturnType<typeof holdings>, before: ReturnType<typeof holdings>): string | null {
  const more =
    now.masters > before.masters ||
    now.fds > before.fds + 2 ||
    now.threads > before.threads + 4 ||
    now.children > before.children;
  return more ? `${JSON.stringify(now)}, before ${JSON.stringify(before)}` : null;
}

describe.each(backends)("200 sessions on the %s backend", (backend) => {
  test("leave no descriptor, process, zombie or thread", async () => {
    await readAll(script(backend, "exit")); // whatever is made once is made now
    const before = holdings();
    const pids: number[] = [];
    for (let round = 0; round < 20; round++) {
      const ended = Array.from({ length: 5 }, () => script(backend, "echo x; exit 7"));
      const closed = Array.from({ length: 5 }, () => script(backend, "sleep 100 & sleep 101"));
      pids.push(...[...ended, ...closed].map((pty) => pty.pid));
      for (const pty of ended) expect((await readAll(pty)).toString()).toBe("x\r\n");
      for (const pty of ended) expect(await pty.exited).toEqual({ exitCode: 7, signal: null });
      const exits = await Promise.all(closed.map((pty) => pty.close(1_000)));
      for (const exit of exits) expect(exit.signal).toBe("SIGHUP");
    }
    await until(
      () => exceeds(holdings(), before) === null,
      5_000,
      () => `nothing more to be held than before: ${exceeds(holdings(), before)}`,
    );
    expect(pids.flatMap(members)).toEqual([]);
  });
});
