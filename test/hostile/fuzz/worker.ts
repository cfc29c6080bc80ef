/** Runs one fuzzer on a thread of its own, so that its work does not look like the gateway's. */
import { V2Agent } from "../../support/v2-agent.ts";
import { V2Viewer } from "../../support/v2-viewer.ts";
import {
  type Attack,
  attackAsAgent,
  attackAsViewer,
  attackHttp,
  type Target,
  terminalOutput,
} from "./attacks.ts";
import { Random } from "./random.ts";

declare const self: Worker;

export interface Order {
  kind: "http" | "agent" | "viewer" | "terminal";
  target: Target;
  seed: number;
  ms: number;
}

self.onmessage = async ({ data }: MessageEvent<Order>) => {
  const { kind, target, seed, ms } = data;
  const attack = { target, random: new Random(seed), until: performance.now() + ms };
  const done = { http: attackHttp, agent: attackAsAgent, viewer: attackAsViewer, terminal: attackScreens }[
    kind
  ];
  self.postMessage((await done(attack)) ?? {});
};

/** Prints to a session while viewers come, look and go. */
async function attackScreens({ target, random, until }: Attack): Promise<void> {
  const { agent, token, url } = target;
  await using printer = new V2Agent(() => `${url}/ws/agent/${agent.id}`, agent.token).reconnects();
  await printer.connect();
  const output = terminalOutput(random);
  for (let round = 0; performance.now() < until; round += 1) {
    const session = `fuzz-${round % 8}`;
    printer.shell(session);
    const size = { cols: 1 + random.int(300), rows: 1 + random.int(120) };
    await using viewer = new V2Viewer(() => `${url}/ws/agent/${agent.id}/terminal`, token, {
      session,
      ...size,
    });
    await viewer.attach().catch(() => {});
    for (let piece = random.int(6); piece >= 0 && viewer.isOpen; piece -= 1) {
      await printer.write(session, output.next().value);
      if (random.chance(0.3)) viewer.resize(1 + random.int(500), 1 + random.int(200));
      await Bun.sleep(1);
    }
  }
}
