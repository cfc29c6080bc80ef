import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { othersCounted, othersText } from "../../src/client/shell/others.ts";
import { freeRow } from "../../src/client/shell/screen.ts";
import { startAgent } from "../support/agent.ts";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { until } from "../support/wait.ts";
import { environment, Screen } from "./support/cli.ts";

setDefaultTimeout(30_000);

function person({ url, token }: TestGateway): Record<string, string> {
  return environment({ REXEC_HOST: url, REXEC_TOKEN: token, NO_COLOR: "1" });
}

describe("a shell in which a colleague works", () => {
  test.each([false, true])("is named so before its prompt (server of rexec.v1 only: %p)", async (v1Only) => {
    await using gateway = await startGateway({ v1Only });
    const { id: agentId, token } = await gateway.register("box");
    await using _agent = startAgent({ host: gateway.url, token, agentId });
    const isOnline = async () =>
      (await gateway.api("GET", `/api/agents/${agentId}`)).json.status === "online";
    await until(isOnline, 10_000, "the agent");
    await using first = await Screen.rexec(["connect", "box"], person(gateway));
    await first.shows("$ ");
    await first.type("echo at''work\r");
    await first.shows(/[\r\n]atwork/);
    expect(first.shown).not.toContain("also in this shell");
    await using second = await Screen.rexec(["connect", "box"], person(gateway));
    await second.shows("atwork");
    const [before = ""] = second.shown.split("atwork");
    expect(before).toContain(`rexec: also in this shell: ${v1Only ? "1 viewer" : "admin (came just now)"}`);
    // The first picture takes the place of all that was shown before.
    if (!v1Only) expect(second.shown.match(/also in this shell/g)).toHaveLength(2);
    // A shell of one's own has nobody else in it.
    await using own = await Screen.rexec(["connect", "box", "--new"], person(gateway));
    await own.shows("$ ");
    expect(own.shown).not.toContain("also in this shell");
  });
});

describe("the row in which a colleague is told of", () => {
  const snapshot = (row: number) => Buffer.from(`\x1b[1;1Hold\x1b[${row};3H\x1b[m`);
  test("is never that of the prompt", () => {
    expect(freeRow(snapshot(1), 24, 24)).toBe(24);
    expect(freeRow(snapshot(2), 24, 24)).toBe(1);
    expect(freeRow(snapshot(24), 24, 24)).toBe(1);
    // Two rows of the session are above this terminal, and the third is its first.
    expect(freeRow(snapshot(3), 28, 30)).toBe(28);
    expect(freeRow(Buffer.from("no place"), 24, 24)).toBe(1);
  });
});

describe("others, in words", () => {
  const now = 1_000_000_000;
  const one = (name: string, minutes: number) => ({ name, since: now - minutes * 60_000 });
  test("are a few names, and how long they are there", () => {
    expect(othersText([], now)).toBe("");
    expect(othersText([one("ada", 3)], now)).toBe("also in this shell: ada (came 3 min ago)");
    const five = ["a", "b", "c", "d", "e"].map((name) => one(name, 0));
    expect(othersText(five, now)).toEndWith("c (came just now) and 2 more");
    expect(othersText([one("", 0)], now)).toContain("a viewer");
    expect(othersText([one("\u202eevil\n", 0)], now)).toContain("\\u202eevil\\n");
  });

  test("are a number where there are no names", () => {
    expect([-1, 0, 1, 2].map(othersCounted)).toEqual([
      "",
      "",
      "also in this shell: 1 viewer",
      "also in this shell: 2 viewers",
    ]);
  });
});
