/** A browser without a screen: keeps cookies, follows nothing by itself, and says where its requests come from. */
import { type Answer, call } from "./gateway.ts";

export class Browser {
  readonly #url: string;
  readonly #origin: string;
  readonly cookies = new Map<string, string>();

  /** @param url where the gateway listens @param origin of its pages, as the browser knows them */
  constructor(url: string, origin = url) {
    this.#url = url;
    this.#origin = origin;
  }

  get(path: string): Promise<Answer> {
    return this.#send("GET", path, undefined, {});
  }

  /** A form of the gateway's own page. */
  post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<Answer> {
    const type = { "content-type": "application/x-www-form-urlencoded", origin: this.#origin };
    return this.#send("POST", path, new URLSearchParams(fields).toString(), { ...type, ...headers });
  }

  /** What a script of the gateway's own page sends. */
  json(path: string, body: object, method = "POST"): Promise<Answer> {
    const headers = {
      "content-type": "application/json",
      origin: this.#origin,
      "sec-fetch-site": "same-origin",
    };
    return this.#send(method, path, JSON.stringify(body), headers);
  }

  async #send(method: string, path: string, body: string | undefined, headers: Record<string, string>) {
    const cookie = [...this.cookies].map((pair) => pair.join("=")).join("; ");
    const answer = await call(this.#url, method, path, body, null, {
      ...headers,
      ...(cookie ? { cookie } : {}),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [name = "", value = ""] = (line.split(";")[0] ?? "").split(/=(.*)/s);
      if (/max-age=0/i.test(line) || value === "") this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return answer;
  }
}
