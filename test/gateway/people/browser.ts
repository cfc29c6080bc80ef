/** A browser of a test: it keeps its cookie, and says where its pages are from. */
import { type Answer, call, type TestGateway } from "../../support/gateway.ts";

export const PASSWORD = "correct horse battery";

/** One browser at a gateway. */
export class Browser {
  cookie = "";
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  /** A request of one of the gateway's own pages. */
  async send(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const own = { origin: this.#url, "sec-fetch-site": "same-origin" };
    const answer = await call(this.#url, method, path, body, null, {
      ...(this.cookie ? { cookie: this.cookie } : {}),
      ...own,
      ...headers,
    });
    const set = answer.headers.get("set-cookie");
    if (set) this.cookie = set.includes("Max-Age=0") ? "" : (set.split(";")[0] ?? "");
    return answer;
  }

  /** A form of one of the gateway's own pages. */
  form(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
    return this.send("POST", path, new URLSearchParams(fields).toString(), {
      "content-type": "application/x-www-form-urlencoded",
      ...headers,
    });
  }

  signIn(username: string, password = PASSWORD): Promise<Answer> {
    return this.send("POST", "/api/sign-in", { username, password });
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
