/** A Chromium without a window, driven over its DevTools socket: one page, and everything it complained about. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as z from "zod/mini";
import { until, within } from "./wait.ts";

const message = z.looseObject({
  id: z.optional(z.number()),
  method: z.optional(z.string()),
  params: z.optional(z.looseObject({})),
  result: z.optional(z.looseObject({})),
  error: z.optional(z.looseObject({ message: z.string() })),
});
const targets = z.array(z.looseObject({ type: z.string(), webSocketDebuggerUrl: z.string() }));
const evaluated = z.looseObject({
  result: z.looseObject({ value: z.optional(z.unknown()) }),
  exceptionDetails: z.optional(z.looseObject({})),
});

export class Chromium implements AsyncDisposable {
  /** Errors of pages, violations of their policies among them. */
  readonly complaints: string[] = [];
  readonly #profile: string;
  readonly #process: Bun.Subprocess;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, PromiseWithResolvers<Record<string, unknown>>>();
  #id = 0;

  private constructor(profile: string, process: Bun.Subprocess, socket: WebSocket) {
    this.#profile = profile;
    this.#process = process;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => this.#received(String(data)));
  }

  static async start(): Promise<Chromium> {
    const profile = mkdtempSync(join(tmpdir(), "rexec-chromium-"));
    const options = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      "--no-first-run",
    ];
    const child = Bun.spawn(
      ["chromium", ...options, `--user-data-dir=${profile}`, "--remote-debugging-port=0", "about:blank"],
      { stdio: ["ignore", "ignore", "ignore"], env: { ...process.env, HOME: profile, TMPDIR: profile } },
    );
    const file = join(profile, "DevToolsActivePort");
    const port = await until(
      () => (existsSync(file) ? readFileSync(file, "utf8").split("\n")[0] : null),
      30_000,
      "Chromium to listen",
    );
    const listed = async () => {
      const all = targets.parse(await (await fetch(`http://127.0.0.1:${port}/json`)).json());
      return all.find(({ type }) => type === "page");
    };
    const page = await until(listed, 10_000, "a page");
    const socket = new WebSocket(page.webSocketDebuggerUrl);
    const open = Promise.withResolvers<void>();
    socket.addEventListener("open", () => open.resolve());
    await within(open.promise, 10_000, "the DevTools socket");
    const self = new Chromium(profile, child, socket);
    for (const domain of ["Page", "Runtime", "Log"]) await self.send(`${domain}.enable`);
    return self;
  }

  async send(method: string, params: object = {}): Promise<Record<string, unknown>> {
    this.#id += 1;
    const answer = Promise.withResolvers<Record<string, unknown>>();
    this.#waiting.set(this.#id, answer);
    this.#socket.send(JSON.stringify({ id: this.#id, method, params }));
    return within(answer.promise, 20_000, `the answer to ${method}`);
  }

  /** What the expression gives in the page; promises are awaited. */
  async ask(expression: string): Promise<unknown> {
    const answer = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    const { result, exceptionDetails } = evaluated.parse(answer);
    if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
    return result.value;
  }

  /** Opens a page, and waits until it is there. */
  async open(url: string): Promise<void> {
    await this.send("Page.navigate", { url });
    await this.shows(`document.readyState === "complete" && location.href === ${JSON.stringify(url)}`);
  }

  /** Waits until the expression is true in the page. */
  async shows(expression: string): Promise<void> {
    // The page may be between two documents.
    const isTrue = () =>
      this.ask(expression).then(
        (value) => value === true,
        () => false,
      );
    const seen = async () => JSON.stringify(await this.ask("document.body.innerText").catch(String));
    try {
      await until(isTrue, 15_000, expression);
    } catch (error) {
      throw new Error(`${String(error)}; the page: ${await seen()}; ${this.complaints.join("; ")}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    this.#process.kill();
    await within(this.#process.exited, 10_000, "the browser's end");
    rmSync(this.#profile, { recursive: true, force: true });
  }

  #received(data: string): void {
    const { id, method, params, result, error } = message.parse(JSON.parse(data));
    if (method === "Log.entryAdded" || method === "Runtime.exceptionThrown")
      this.complaints.push(JSON.stringify(params));
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (id === undefined || !waiting) return;
    this.#waiting.delete(id);
    if (error) waiting.reject(new Error(error.message));
    else waiting.resolve(result ?? {});
  }
}
