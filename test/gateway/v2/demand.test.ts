import { describe, expect, test } from "bun:test";
import { Demand } from "../../../src/gateway/sessions/demand.ts";
import type { ReaderPlace as Reader } from "../../../src/gateway/sessions/reader.ts";
import { ByteRing } from "../../../src/stream/byte-ring.ts";

const CAPACITY = 1000;

function stage(viewerGraceMs = 60_000) {
  const ring = new ByteRing(CAPACITY);
  const told: (readonly ["ack", number, number] | readonly ["hold", boolean])[] = [];
  const demand = new Demand(ring, viewerGraceMs, {
    ack: (consumed, limit) => told.push(["ack", consumed, limit]),
    hold: (hold) => told.push(["hold", hold]),
  });
  return { ring, told, demand };
}

function reader(viewer: string, place: Partial<Reader> = {}): Reader {
  return { viewer, hold: true, sent: 0, consumed: 0, limit: 0, ...place };
}

describe("what a mirror asks the agent for", () => {
  test("is what the fastest wants, within what the ring can keep for it", () => {
    const { ring, told, demand } = stage();
    ring.append(new Uint8Array(300));
    demand.join(reader("slow", { sent: 10, consumed: 10, limit: 50 }));
    demand.join(reader("fast", { sent: 300, consumed: 200, limit: 5000 }));
    demand.plug();
    expect(told).toEqual([["ack", 200, 300 + CAPACITY]]);
  });

  test("is not changed by a recorder, which grants no credit and has no say in the pace", () => {
    const { ring, told, demand } = stage();
    ring.append(new Uint8Array(300));
    demand.join(reader("recorder", { hold: false, sent: 0, consumed: 0, limit: null }));
    demand.join(reader("viewer", { sent: 300, consumed: 200, limit: 900 }));
    demand.plug();
    expect(told).toEqual([["ack", 200, 900]]);
  });

  test("stops where a snapshot is being made, so that the ring keeps what follows it", () => {
    const { ring, told, demand } = stage();
    ring.append(new Uint8Array(300));
    const place = { viewer: "v", hold: true, sent: 300, consumed: 300, limit: 900 };
    demand.join(place);
    demand.barrier = 100;
    demand.plug();
    place.limit = 5000;
    demand.update();
    demand.barrier = null;
    demand.update();
    expect(told).toEqual([
      ["ack", 300, 900],
      ["ack", 300, 100 + CAPACITY],
      ["ack", 300, 300 + CAPACITY],
    ]);
  });

  test("never falls, and is said once", () => {
    const { ring, told, demand } = stage();
    ring.append(new Uint8Array(300));
    const fast = reader("fast", { sent: 300, consumed: 300, limit: 700 });
    demand.join(fast);
    demand.join(reader("slow", { sent: 100, consumed: 100, limit: 200 }));
    demand.plug();
    demand.leave(fast, true);
    demand.update();
    demand.update();
    expect(told).toEqual([["ack", 300, 700]]);
  });

  test("is no more than a reader had that dropped off, for the hold time; then the pace is anybody's", async () => {
    const { told, demand } = stage(50);
    const one = reader("one", { limit: 400 });
    demand.join(one);
    demand.plug();
    demand.leave(one, false);
    demand.tick(performance.now());
    expect(told).toEqual([["ack", 0, 400]]);
    expect(demand.holds).toBe(true);
    demand.tick(performance.now() + 60);
    expect(told.slice(1, 3)).toEqual([
      ["hold", false],
      ["ack", 0, 64 * 1024],
    ]);
    demand.stop();
  });

  test("is said anew to the next connection", () => {
    const { told, demand } = stage();
    demand.join(reader("one", { limit: 400 }));
    demand.plug();
    demand.unplug();
    demand.plug();
    expect(told).toEqual([
      ["ack", 0, 400],
      ["ack", 0, 400],
    ]);
  });
});
