/** A channel whose output cannot be sent: it ends with a reason, and all else goes on. */
import { expect, test } from "bun:test";
import { Packer } from "../../src/link/packer.ts";
import { startAgent } from "../support/agent.ts";
import { type Channel, V2Opener } from "../support/v2-opener.ts";
import { until } from "../support/wait.ts";

const NEW = { create: true, cols: 80, rows: 24 };

/** Output of this channel throws on its way from now on. */
function plant(number: number): Disposable {
  const { encode } = Packer.prototype;
  Packer.prototype.encode = function (frame, isSlow) {
    if (frame.channel === number) throw new Error("planted in a source");
    return encode.call(this, frame, isSlow);
  };
  return {
    [Symbol.dispose]() {
      Packer.prototype.encode = encode;
    },
  };
}

const kinds: [string, (opener: V2Opener) => Channel][] = [
  ["a shell", (opener) => opener.attach("main", NEW)],
  ["a command", (opener) => opener.run(crypto.randomUUID(), "read line; seq 3; echo err >&2; sleep 20")],
];

test.each(kinds)(
  "the channel of %s whose output throws is refused once; the others go on",
  async (_, open) => {
    await using opener = new V2Opener();
    await using agent = startAgent({ host: opener.url, token: opener.token, agentId: opener.agentId });
    await opener.connected();
    const other = opener.attach("other", NEW);
    const hit = open(opener);
    await opener.answered(other);
    await opener.answered(hit);
    using _fault = plant(hit.number);
    opener.type(hit, 0, "echo x\r\n");
    await until(() => hit.refused, 5_000, "the refusal");
    opener.type(other, 0, "echo still-$((6*7))\r");
    await opener.printed(other, "still-42");
    expect([hit.refused?.code, other.refused]).toEqual(["failed", null]);
    expect(agent.logger.lines.filter((line) => line.includes("planted in a source"))).toHaveLength(1);
  },
);
