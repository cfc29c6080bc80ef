import { expect, test } from "bun:test";
import { Intake, type Message } from "../../src/gateway/sockets/intake.ts";

function started(mayDeliver = () => true) {
  const delivered: Message[] = [];
  const behind: boolean[] = [];
  const intake = new Intake({
    deliver: (message) => delivered.push(message),
    mayDeliver,
    onBehind: (isBehind) => behind.push(isBehind),
  });
  return { intake, delivered, behind };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

for (const [what, size, aTurn] of [
  ["small messages", 10, 256],
  ["frames of 64 KiB", 65_550, 4],
  ["messages of a megabyte", 1 << 20, 1],
] as const) {
  test(`${what} of one read are delivered in turns, each once and in order`, async () => {
    const { intake, delivered, behind } = started();
    const count = aTurn * 8;
    for (let number = 0; number < count; number += 1)
      intake.push(Uint8Array.from({ length: size }, (_, at) => (at === 0 ? number % 251 : 0)));
    expect(delivered).toHaveLength(aTurn);
    expect(behind).toEqual([true]);
    for (let turns = 0; behind.length < 2; turns += 1) {
      const before = delivered.length;
      await turn();
      expect(delivered.length - before).toBeLessThanOrEqual(aTurn);
      expect(turns).toBeLessThan(20);
    }
    expect(behind).toEqual([true, false]);
    expect(delivered.map((message) => message[0])).toEqual(
      Array.from({ length: count }, (_, number) => number % 251),
    );
  });
}

test("single messages, a turn each, never wait", async () => {
  const { intake, delivered, behind } = started();
  for (let number = 0; number < 600; number += 1) {
    intake.push("key");
    expect(delivered).toHaveLength(number + 1);
    if (number % 3 === 0) await turn();
  }
  expect(behind).toEqual([]);
});

test("what came before a connection's end is delivered, and later messages go on after a pause", async () => {
  let may = false;
  const { intake, delivered } = started(() => may);
  intake.push("first");
  intake.push("second");
  await turn();
  expect(delivered).toEqual([]);
  may = true;
  intake.run();
  await turn();
  expect(delivered).toEqual(["first", "second"]);
  may = false;
  intake.push("last");
  intake.end();
  expect(delivered).toEqual(["first", "second", "last"]);
});
