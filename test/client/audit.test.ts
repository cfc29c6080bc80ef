import { expect, test } from "bun:test";
import { environment, rexec } from "./support/cli.ts";

test("a server that goes on with empty pages for ever holds no one up", async () => {
  let asked = 0;
  await using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      asked += 1;
      return Response.json({ entries: [], next: `more-${asked}` });
    },
  });
  const env = environment({
    REXEC_HOST: `http://127.0.0.1:${server.port}`,
    REXEC_TOKEN: `rexec_${"ab".repeat(32)}`,
  });
  const { code, stdout } = await rexec(["audit", "--jsonl"], env);
  expect([code, stdout.toString(), asked]).toEqual([0, "", 1]);
});
