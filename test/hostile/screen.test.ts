import { describe, expect, test } from "bun:test";
import { V2Agent } from "../support/v2-agent.ts";
import { V2Viewer, type V2ViewerOptions } from "../support/v2-viewer.ts";
import { until } from "../support/wait.ts";
import { type AttackedGateway, attackedGateway } from "./support.ts";

const MIB = 1024 * 1024;

/** A gateway with one agent, whose sessions print what a test says. */
class Stage implements AsyncDisposable {
  readonly gateway: AttackedGateway;
  readonly agent: V2Agent;
  readonly #id: string;
  readonly #viewers: V2Viewer[] = [];

  constructor(gateway: AttackedGateway, { id, token }: { id: string; token: string }) {
    this.gateway = gateway;
    this.#id = id;
    this.agent = new V2Agent(() => `${gateway.url}/ws/agent/${id}`, token);
  }

  /** A viewer that looks at a session; the last of its screens is what it saw. */
  async looks(session: string, options: V2ViewerOptions = {}): Promise<V2Viewer> {
    const { gateway } = this;
    const viewer = new V2Viewer(() => `${gateway.url}/ws/agent/${this.#id}/terminal`, gateway.token, {
      session,
      create: false,
      ...options,
    });
    this.#viewers.push(viewer);
    return viewer.attach();
  }

  /** What a new viewer of the session is shown. */
  async screen(session: string, ms = 20_000): Promise<string> {
    const viewer = await this.looks(session);
    await until(() => viewer.screens.some(({ bytes, data }) => bytes === data.length), ms, "a screen");
    return viewer.screens.map(({ data }) => data.toString()).join("");
  }

  /** A new viewer of the session sees that, on its screen or right behind it. */
  async shows(session: string, text: string, ms = 20_000): Promise<void> {
    await using viewer = await this.looks(session);
    await viewer.sees(text, ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const viewer of this.#viewers) await viewer[Symbol.asyncDispose]();
    await this.agent[Symbol.asyncDispose]();
    await this.gateway[Symbol.asyncDispose]();
  }
}

async function stage(options: readonly string[] = []): Promise<Stage> {
  const gateway = await attackedGateway(options);
  const here = new Stage(gateway, await gateway.register());
  await here.agent.connect();
  here.agent.shell("innocent");
  await here.agent.write("innocent", "an innocent prompt $ ");
  await here.shows("innocent", "an innocent prompt $");
  return here;
}

/** Every sequence that counts, with the largest count there is, and some beyond that. */
const COUNTED = [..."@ABCDEFGHILMPSTXZ^`abdefrgJKmnqstu"].flatMap((final) =>
  ["2147483647", "99999999999999999999", "1;2147483647", "2147483647;2147483647"].map(
    (count) => `x\x1b[${count}${final}`,
  ),
);

describe("output that counts to the end of the world", () => {
  test("is drawn, and harms nobody", async () => {
    await using here = await stage();
    const { gateway, agent } = here;
    const report = await gateway.under(async () => {
      for (const [index, sequence] of ["\x1b[2147483647L", ...COUNTED].entries())
        await agent.write(`counts-${index % 8}`, `before${sequence}`);
      for (const odd of ["\x1b[2147483647 @", "\x1b[2147483647 A", "\x1b[2147483647'}", "\x1b[2147483647'~"])
        await agent.write("counts-0", odd);
      for (let index = 0; index < 8; index += 1) {
        await agent.write(`counts-${index}`, "\x1b[!p\x1b[H\x1b[2Jit goes on");
        await here.shows(`counts-${index}`, "it goes on");
      }
      await here.shows("innocent", "an innocent prompt $");
    });
    report.isUnhurt();
  }, 60_000);

  test("cut anywhere, with parameters and strings without an end", async () => {
    await using here = await stage();
    const { gateway, agent } = here;
    const endless = [
      `\x1b[${"9".repeat(300_000)}`,
      `\x1b[${"1;".repeat(200_000)}`,
      `\x1b[38${":2".repeat(200_000)}`,
      `\x1b]0;${"title".repeat(100_000)}`,
      `\x1bP${"q#0;2;0;0;0".repeat(50_000)}`,
      `\x1b_${"G".repeat(500_000)}`,
      `\x1b${" ".repeat(300_000)}`,
      `e${"\u0301".repeat(200_000)}`,
      "\u{1f469}\u200d".repeat(50_000),
    ];
    const report = await gateway.under(async () => {
      for (const [index, bytes] of endless.entries()) {
        await agent.write(`endless-${index}`, bytes);
        await here.screen(`endless-${index}`);
        await agent.write(`endless-${index}`, "\x18\x1b\\\x1b[H\x1b[2Jit goes on");
        await here.shows(`endless-${index}`, "it goes on");
      }
      await here.shows("innocent", "an innocent prompt $");
    });
    report.isUnhurt({ memory: 3 });
  }, 60_000);
});

describe("output that is only expensive", () => {
  const expensive: [string, string][] = [
    ["erases the screen in every fourth byte", "\x1b[2J"],
    ["moves all lines by one", "\x1b[H\x1b[500L\x1b[500M"],
    ["repeats a character over the screen", "x\x1b[500000b"],
    ["changes screens", "\x1b[?1049h\x1b[?1049l"],
    ["fills the screen with E", "\x1b#8"],
    ["scrolls sideways", "\x1b[500 @\x1b[500 A"],
  ];

  test.each(expensive)(
    "costs its own session the screen at most: %s",
    async (_, bytes) => {
      await using here = await stage();
      const { gateway, agent } = here;
      Object.assign(agent.shell("main"), { cols: 1000, rows: 500 });
      const report = await gateway.under(async () => {
        await agent.write("main", Buffer.from(bytes.repeat(Math.ceil((600 * 1024) / bytes.length))));
        const [shown] = await Promise.all([
          here.screen("main", 40_000),
          here.shows("innocent", "an innocent prompt $"),
        ]);
        expect(shown.length).toBeGreaterThan(0);
        const viewer = await here.looks("main");
        await agent.write("main", "\r\nraw bytes go on");
        await viewer.sees("raw bytes go on", 20_000);
      });
      report.isUnhurt({ memory: 4 });
    },
    90_000,
  );
});

describe("modes that nobody knows", () => {
  test("a hundred megabytes of them leave nothing behind", async () => {
    await using here = await stage();
    const { gateway, agent } = here;
    agent.shell("main");
    const report = await gateway.under(async () => {
      await using viewer = await here.looks("main", { keeps: false, hold: false });
      let mode = 0;
      for (let written = 0; written < 100 * MIB; ) {
        let text = "";
        while (text.length < MIB) {
          text += `\x1b[?${mode}h`;
          mode += 1;
        }
        await agent.write("main", text);
        written += text.length;
      }
      await until(() => viewer.received > 0, 10_000, "some of it");
    });
    report.isUnhurt({ memory: 2.5 });
  }, 90_000);
});

describe("a colourful screen of 1000 columns and 500 rows", () => {
  test("is one for the twenty who look at it", async () => {
    await using here = await stage();
    const { gateway, agent } = here;
    Object.assign(agent.shell("main"), { cols: 1000, rows: 500 });
    let text = "";
    for (let cell = 0; cell < 60_000; cell += 1)
      text += `\x1b[38;2;${cell % 256};${(cell * 7) % 256};${(cell * 13) % 256};48;5;${cell % 256}m#`;
    await agent.write("main", text);
    const report = await gateway.under(async () => {
      const viewers = await Promise.all(Array.from({ length: 20 }, () => here.looks("main")));
      for (const viewer of viewers) {
        await until(() => viewer.screens.some(({ data }) => data.length > 0), 30_000, "a screen");
        expect(viewer.screens[0]?.bytes).toBeLessThan(16 * MIB);
      }
    });
    report.isUnhurt({ memory: 3 });
  }, 90_000);
});
