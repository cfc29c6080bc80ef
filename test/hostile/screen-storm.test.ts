/** Many sessions at once, each with a screen as large as can be, resized without end: threads have one memory together. */
import { expect, test } from "bun:test";
import { V2Agent } from "../support/v2-agent.ts";
import { V2Viewer } from "../support/v2-viewer.ts";
import { attackedGateway } from "./support.ts";

const SESSIONS = 70;
const RESIZES = 300;
const SIDE = 65_535;
/** Over an idle gateway, bytes. */
const MEMORY_BYTES = 512 * 1024 * 1024;
/** Fills the screen of both buffers, then counts beyond all reason. */
const OUTPUT = `\x1b#8\x1b[?1049h\x1b#8x\x1b[${SIDE}b\x1b[${SIDE}L\x1b[${SIDE};${SIDE}Hxyz`.repeat(50);

test(`${SESSIONS} sessions with the largest screens, in storms of new sizes, stay within the gateway's memory`, async () => {
  await using gateway = await attackedGateway();
  const { id, token } = await gateway.register();
  await using agent = new V2Agent(() => `${gateway.url}/ws/agent/${id}`, token);
  await agent.connect();
  const look = (session: string) =>
    new V2Viewer(() => `${gateway.url}/ws/agent/${id}/terminal`, gateway.token, {
      session,
      create: true,
      cols: SIDE,
      rows: SIDE,
      keeps: false,
    });
  const report = await gateway.under(async () => {
    for (let n = 0; n < SESSIONS; n += 1) {
      const session = `s${n}`;
      await using first = await look(session).attach();
      for (let size = 0; size < RESIZES; size += 1) {
        first.resize(size % 2 ? SIDE : 1, size % 2 ? SIDE : 1 + size);
      }
      await agent.write(session, OUTPUT);
      await using _second = await look(session).attach();
    }
  });
  expect(report.attacked.peakBytes - report.idle.peakBytes).toBeLessThan(MEMORY_BYTES);
  expect(report.stallRatio).toBeLessThan(20);
}, 120_000);
