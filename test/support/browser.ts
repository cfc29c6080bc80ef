/** A browser without a screen: keeps cookies, follows nothing by itself, and says where its requests come from. */
import { type Answer, call, type TestGateway } from "./gateway.ts";

export const PASSWORD = "correct horse battery";

/** One browser at a gateway. */
export class Browser {
  readonly #url: string;
  readonly #origin: string;
  readonly cookies = new Map<string, string>();

  /** @param url where the gateway listens @param origin of its pages, as the browser knows them */
  constructor(url: string, origin = url) {
    this.#url = url;
    this.#origin = origin;
  }

  /** The text of its Cookie header; empty without a cookie. */
  get cookie(): string {
    return [...this.cookies].map((pair) => pair.join("=")).join("; ");
  }

  set cookie(text: string) {
    this.cookies.clear();
    for (const one of text.split("; ")) this.#keep(one);
  }

  /** A page that the user goes to. */
  get(path: string): Promise<Answer> {
    return this.#send("GET", path, undefined, {});
  }

  /** A form of the gateway's own page, of a browser that sends no Sec-Fetch-Site. */
  post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
    const type = { "content-type": "application/x-www-form-urlencoded", origin: this.#origin };
    return this.#send("POST", path, new URLSearchParams(fields).toString(), { ...type, ...headers });
  }

  /** A form of the gateway's own page. */
  form(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
    return this.post(path, fields, { "sec-fetch-site": "same-origin", ...headers });
  }

  /** What a script of the gateway's own page sends. */
  json(path: string, body: object, method = "POST"): Promise<Answer> {
    return this.send(method, path, body, { "content-type": "application/json" });
  }

  /** Any request of the gateway's own page. */
  send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const own = { origin: this.#origin, "sec-fetch-site": "same-origin" };
    return this.#send(method, path, body, { ...own, ...headers });
  }

  signIn(username: string, password = PASSWORD): Promise<Answer> {
    return this.send("POST", "/api/sign-in", { username, password });
  }

  async #send(method: string, path: string, body: unknown, headers: Record<string, string>) {
    const { cookie } = this;
    const sent = { ...(cookie ? { cookie } : {}), ...headers };
    const answer = await call(this.#url, method, path, body, null, sent);
    for (const line of answer.headers.getSetCookie()) {
      this.#keep(line.split(";")[0] ?? "", /max-age=0/i.test(line));
    }
    return answer;
  }

  #keep(pair: string, isOver = false): void {
    const [name = "", value = ""] = pair.split(/=(.*)/s);
    if (isOver || value === "") this.cookies.delete(name);
    else this.cookies.set(name, value);
  }
}

/** A new user, made by the administrator. */
export async function addUser(gateway: TestGateway, username: string, extra: object = {}): Promise<string> {
  const { json, status, text } = await gateway.api("POST", "/api/users", {
    username,
    password: PASSWORD,
    ...extra,
  });
  if (status !== 201) throw new Error(text);
  return json.id;
}

/** A browser in which the user has signed in. */
export async function signedIn(gateway: TestGateway, username: string): Promise<Browser> {
  const browser = new Browser(gateway.url);
  const { status, text } = await browser.signIn(username);
  if (status !== 200) throw new Error(text);
  return browser;
}

/** The secret in a link's fragment. */
export function secretOf(url: string): string {
  return new URL(url).hash.slice(1);
}
