/** People at the compiled gateway: from its first start to a signed-in browser, and what was written on the way. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../support/binaries.ts";
import { Browser, PASSWORD } from "../support/browser.ts";
import { testWith } from "../support/needs.ts";
import { Terminal } from "../support/terminal.ts";
import { until, within } from "../support/wait.ts";

/** `rexec serve` with a folder of its own, and everything that it writes. */
async function serve(...options: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "rexec-people-"));
  const data = join(folder, "data");
  const env = { PATH: process.env.PATH ?? "", HOME: folder, REXEC_LOG: "debug" };
  const child = Bun.spawn([binary("rexec"), "serve", "--port", "0", "--data", data, ...options], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env,
  });
  const said = { text: "" };
  const listen = async (stream: ReadableStream<Uint8Array>) => {
    for await (const chunk of stream) said.text += Buffer.from(chunk).toString();
  };
  void Promise.all([listen(child.stdout), listen(child.stderr)]);
  const [, url = ""] = await until(
    () => /Gateway ready at (https?:\S+)\n[\s\S]*rexec-agent start/.exec(said.text),
    15_000,
    () => `the gateway to be ready: ${said.text}`,
  );
  return {
    url,
    data,
    said,
    /** The program, with the administrator's token. */
    async rexec(...args: string[]) {
      const token = readFileSync(join(data, "admin-token"), "utf8").trim();
      const ran = Bun.spawn([binary("rexec"), ...args], {
        stdin: "ignore",
        stdout: "pipe",
        stderr: "pipe",
        env: { ...env, REXEC_HOST: url, REXEC_TOKEN: token },
      });
      const [out, err] = await Promise.all([ran.stdout.text(), ran.stderr.text()]);
      return { code: await ran.exited, out, err };
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await within(child.exited, 10_000, "the gateway's end");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test("the first start's link, an invite, a password: each secret works once, and none is written to a log", async () => {
  await using gateway = await serve();
  const file = join(gateway.data, "login-link");
  const link = readFileSync(file, "utf8").trim();
  expect([statSync(file).mode & 0o777, gateway.said.text.includes(file)]).toEqual([0o600, true]);
  expect(link.startsWith(`${gateway.url}/login-link#rexec_link_`)).toBe(true);
  const admin = new Browser(gateway.url);
  expect((await admin.form("/login-link", { link })).status).toBe(303);
  expect((await admin.send("GET", "/account")).text).toContain("You are signed in as <strong>admin</strong>");
  expect((await new Browser(gateway.url).form("/login-link", { link })).status).toBe(410);
  const invite = (await gateway.rexec("admin", "users", "invite", "--name", "Ada")).out.trim();
  const ada = new Browser(gateway.url);
  await ada.form("/invite", { link: invite, username: "ada", password: PASSWORD });
  expect((await ada.send("GET", "/account")).text).toContain("<strong>ada</strong>");
  const again = (await gateway.rexec("admin", "login-link", "ada", "--data", gateway.data)).out.trim();
  expect(again.startsWith(`${gateway.url}/login-link#`)).toBe(true);
  const other = new Browser(gateway.url);
  await other.form("/login-link", { link: again });
  await other.form("/sign-in", { username: "ada", password: PASSWORD });
  await other.form("/sign-in", { username: "ada", password: "wrong wrong wrong" });
  const disabled = await gateway.rexec("admin", "users", "disable", "ada");
  expect(disabled).toMatchObject({ code: 0, err: "ada is disabled\n" });
  expect((await ada.send("GET", "/account")).headers.get("location")).toBe("sign-in?next=account");
  const listed = await gateway.rexec("admin", "users", "ls");
  expect(listed.out).toMatch(/^ada .* disabled /m);
  const secrets = [link, invite, again].map((url) => url.slice(-64));
  const cookies = [admin, ada, other].map(({ cookie }) => cookie.slice(-64)).filter(Boolean);
  for (const secret of [...secrets, ...cookies, PASSWORD]) expect(gateway.said.text).not.toContain(secret);
  expect(gateway.said.text).not.toMatch(/rexec_(web|link)_[0-9a-f]{7}/);
}, 60_000);

test("at a terminal the first start shows the link itself, and keeps none in a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rexec-people-"));
  const data = join(folder, "data");
  const terminal = new Terminal([binary("rexec"), "serve", "--port", "0", "--data", data], {
    env: { HOME: folder },
    cols: 200,
  });
  // As it can be pasted: it finds this folder.
  await terminal.see(new RegExp(`admin login-link --data ${data}\\s`));
  const [link = ""] = await terminal.see(/http:\S+\/login-link#rexec_link_[0-9a-f]{64}/);
  await terminal.see(/rexec-agent start/);
  expect(await Bun.file(join(data, "login-link")).exists()).toBe(false);
  expect((await new Browser(new URL(link).origin).form("/login-link", { link })).status).toBe(303);
  await terminal.type("\x03");
  await terminal.exit();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

testWith("openssl")(
  "over https the cookie is Secure and bound to the host, and counts",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "rexec-people-"));
    const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
    const made = Bun.spawnSync([
      ...["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"],
      ...["-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1"],
      ...["-addext", "subjectAltName=IP:127.0.0.1"],
    ]);
    expect(made.exitCode).toBe(0);
    await using gateway = await serve("--tls-cert", cert, "--tls-key", key);
    rmSync(folder, { recursive: true, force: true });
    const { url } = gateway;
    expect(url).toStartWith("https://");
    const tls = { rejectUnauthorized: false };
    const link = readFileSync(join(gateway.data, "login-link"), "utf8").trim();
    const body = JSON.stringify({ link });
    const headers = { origin: url, "sec-fetch-site": "same-origin" };
    const signedIn = await fetch(`${url}/api/sign-in/link`, { method: "POST", headers, body, tls });
    const set = signedIn.headers.get("set-cookie") ?? "";
    expect(set).toMatch(
      /^__Host-rexec=rexec_web_[0-9a-f]{64}; Path=\/; Max-Age=\d+; Secure; HttpOnly; SameSite=Lax$/,
    );
    const cookie = set.split(";")[0] ?? "";
    const profile = (sent: string) => fetch(`${url}/api/profile`, { headers: { cookie: sent }, tls });
    expect((await profile(cookie)).status).toBe(200);
    expect((await profile(cookie.replace("__Host-rexec", "rexec_session"))).status).toBe(401);
  },
  30_000,
);

testWith("chromium")(
  "a browser opens the link: the form signs in, the secret leaves the address, and the page's policy breaks nothing",
  async () => {
    await using gateway = await serve();
    const link = readFileSync(join(gateway.data, "login-link"), "utf8").trim();
    await using page = await ChromiumPage.open(link);
    const filled = `document.querySelector("input[name=link]").value.startsWith("rexec_link_")`;
    await until(() => page.evaluate(filled), 10_000, "the script to fill the form in");
    expect(await page.evaluate("location.hash")).toBe("");
    await page.evaluate(`document.querySelector("form").requestSubmit()`);
    const text = "document.body.innerText";
    await until(
      async () => /signed in as admin/i.test(String(await page.evaluate(text))),
      10_000,
      "the account",
    );
    const style = `getComputedStyle(document.querySelector("h1")).fontSize`;
    expect(await page.evaluate(style)).not.toBe("32px");
    const password = `document.querySelector("#password").value = ${JSON.stringify(PASSWORD)}; document.querySelector("#password").form.requestSubmit()`;
    await page.evaluate(password);
    await until(
      async () => /password is set/i.test(String(await page.evaluate(text))),
      10_000,
      "the new password",
    );
    await page.evaluate(`document.querySelector("form[action='sign-out']").requestSubmit()`);
    await until(
      async () => String(await page.evaluate("location.pathname")) === "/sign-in",
      10_000,
      "the way out",
    );
    expect(page.complaints).toEqual([]);
  },
  60_000,
);

/** A page in a headless Chromium, driven by its DevTools protocol. */
class ChromiumPage implements AsyncDisposable {
  /** What the console was told: violations of the policy, above all. */
  readonly complaints: string[] = [];
  readonly #child: Bun.Subprocess;
  readonly #folder: string;
  readonly #socket: WebSocket;
  readonly #answers = new Map<number, (result: { result?: { value?: unknown } }) => void>();
  #last = 0;

  private constructor(child: Bun.Subprocess, folder: string, socket: WebSocket) {
    this.#child = child;
    this.#folder = folder;
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const { id, method, params, result } = JSON.parse(String(data));
      if (method === "Log.entryAdded") this.complaints.push(params.entry.text);
      this.#answers.get(id)?.(result ?? {});
    });
  }

  static async open(url: string): Promise<ChromiumPage> {
    const folder = mkdtempSync(join(tmpdir(), "rexec-chromium-"));
    const child = Bun.spawn(
      [
        "chromium",
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        `--user-data-dir=${folder}`,
        "about:blank",
      ],
      { stdin: "ignore", stdout: "ignore", stderr: "pipe", env: { ...process.env, HOME: folder } },
    );
    let said = "";
    void (async () => {
      for await (const chunk of child.stderr) said += Buffer.from(chunk).toString();
    })();
    const port = await until(
      () => /ws:\/\/127\.0\.0\.1:(\d+)\//.exec(said)?.[1],
      20_000,
      () => `Chromium: ${said}`,
    );
    const tabs: { type: string; webSocketDebuggerUrl: string }[] = await until(
      async () => {
        const list = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json();
        return Array.isArray(list) && list.some(({ type }) => type === "page") && list;
      },
      10_000,
      "a tab",
    );
    const tab = tabs.find(({ type }) => type === "page");
    const socket = new WebSocket(tab?.webSocketDebuggerUrl ?? "");
    const opened = Promise.withResolvers<void>();
    socket.addEventListener("open", () => opened.resolve());
    const page = new ChromiumPage(child, folder, socket);
    await within(opened.promise, 10_000, "the tab's socket");
    for (const domain of ["Log", "Page", "Runtime"]) await page.send(`${domain}.enable`);
    await page.send("Page.navigate", { url });
    return page;
  }

  send(method: string, params: object = {}): Promise<{ result?: { value?: unknown } }> {
    this.#last += 1;
    const { promise, resolve } = Promise.withResolvers<{ result?: { value?: unknown } }>();
    this.#answers.set(this.#last, resolve);
    this.#socket.send(JSON.stringify({ id: this.#last, method, params }));
    return within(promise, 10_000, `Chromium's answer to ${method}`);
  }

  async evaluate(expression: string): Promise<unknown> {
    return (await this.send("Runtime.evaluate", { expression })).result?.value;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    this.#child.kill("SIGKILL");
    await this.#child.exited;
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
  }
}
