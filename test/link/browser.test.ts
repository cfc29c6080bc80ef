import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod/mini";
import { World } from "../e2e/support.ts";
import { testWith } from "../support/needs.ts";
import { within } from "../support/wait.ts";
import type { PageOptions, PageResult } from "./browser/page.ts";

const ROOT = join(import.meta.dir, "../..");
const LINES = 60_000;
const report = z.union([
  z.object({ error: z.string() }),
  z.object({
    answer: z.boolean(),
    cutAt: z.number(),
    resumed: z.boolean(),
    screens: z.number(),
    printed: z.string(),
  }),
]);

test("protocol, stream and link bundle for a browser, and use nothing that only Bun or Node has", async () => {
  const all = [...new Bun.Glob("src/{protocol,stream,link}/**/*.ts").scanSync({ cwd: ROOT })];
  expect(all.length).toBeGreaterThan(30);
  const text = await bundle(all.map((file) => join(ROOT, file)));
  expect(text.match(/\b(Bun|Buffer|process)\s*[.[(]/g) ?? []).toEqual([]);
});

testWith("chromium")(
  "a page attaches over the gateway's socket, is cut off, and has every byte once",
  async () => {
    const page = await bundle([join(import.meta.dir, "browser/page.ts")]);
    const result = Promise.withResolvers<PageResult>();
    let html = "";
    using site = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      async fetch(request) {
        const { pathname } = new URL(request.url);
        if (pathname === "/page.js")
          return new Response(page, { headers: { "Content-Type": "text/javascript" } });
        if (pathname !== "/result")
          return new Response(html, { headers: { "Content-Type": "text/html; charset=utf-8" } });
        const said = report.parse(await request.json());
        if ("error" in said) result.reject(new Error(said.error));
        else result.resolve(said);
        return new Response();
      },
    });
    const origin = `http://127.0.0.1:${site.port}`;
    await using world = await World.start({ gatewayArgs: [`--allow-origin=${origin}`] });
    const headers = { Authorization: `Bearer ${world.stack.token}` };
    const answer = await fetch(`${world.stack.url}/api/agents`, { headers });
    const [{ id }] = z.tuple([z.object({ id: z.string() })]).parse(await answer.json());
    const options: PageOptions = {
      url: `${world.stack.url.replace(/^http/, "ws")}/ws/agent/${id}/terminal`,
      token: world.stack.token,
      lines: LINES,
    };
    html = `<!doctype html><script type="module">
      import { run } from "/page.js";
      const tell = (said) => fetch("/result", { method: "POST", body: JSON.stringify(said) });
      run(${JSON.stringify(options)}).then(tell, (error) => tell({ error: String(error) }));
    </script>`;
    const profile = mkdtempSync(join(tmpdir(), "rexec-chromium-"));
    const browser = Bun.spawn(
      [
        "chromium",
        "--headless=new",
        "--no-sandbox", // there is none for root
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        `--user-data-dir=${profile}`,
        "--remote-debugging-port=0", // keeps it open
        origin,
      ],
      { stdio: ["ignore", "ignore", "ignore"], env: { ...process.env, HOME: profile, TMPDIR: profile } },
    );
    try {
      const seen = await within(result.promise, 60_000, "the page's result");
      expect(seen).toMatchObject({ answer: true, resumed: true, screens: 0 });
      expect(seen.cutAt).toBeLessThan(200_000);
      const printed = Array.from({ length: LINES }, (_, at) => `${at + 1}\r\n`).join("");
      expect(Bun.hash(seen.printed)).toBe(Bun.hash(printed));
    } finally {
      browser.kill();
      await within(browser.exited, 10_000, "the browser's end");
      rmSync(profile, { recursive: true, force: true });
    }
  },
  120_000,
);

// --- internal ---

/** Fails on an import that a browser does not have, for which Bun would put in a stand-in. */
async function bundle(entrypoints: string[]): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints,
    target: "browser",
    plugins: [
      {
        name: "no runtime",
        setup(build) {
          build.onResolve(
            { filter: /^(node:|bun(:|$)|(fs|path|os|zlib|net|tls|crypto)$)/ },
            ({ path, importer }) => {
              throw new Error(`${importer} imports ${path}`);
            },
          );
        },
      },
    ],
  });
  return (await Promise.all(outputs.map((output) => output.text()))).join("\n");
}
