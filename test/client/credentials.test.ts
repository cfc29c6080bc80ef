import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  chooseHost,
  DEFAULT_HOST,
  readCredentials,
  removeLogin,
  requireLogin,
  saveLogin,
} from "../../src/client/credentials.ts";
import { testUnless, whyNoUserNamespace } from "../support/needs.ts";
import { temporaryHome } from "./support/cli.ts";

describe("the credentials file", () => {
  test("keeps a token for each server, and the last login as the current one", () => {
    using home = temporaryHome();
    const path = join(home.path, ".rexec/credentials.json");
    saveLogin(path, "https://one.example", { token: "t1" });
    saveLogin(path, "https://two.example", { token: "t2", username: "ada" });
    const file = readCredentials(path);
    expect(file.current).toBe("https://two.example");
    expect(requireLogin({}, file, {})).toMatchObject({ token: "t2" });
    expect(requireLogin({ host: "https://one.example/" }, file, {}).token).toBe("t1");
    removeLogin(path, "https://two.example");
    expect(readCredentials(path).current).toBe("https://one.example");
    removeLogin(path, "https://one.example");
    expect(existsSync(path)).toBe(false);
  });

  test("keeps what a newer version wrote into it", () => {
    using home = temporaryHome();
    const path = join(home.path, "credentials.json");
    const newer = { theme: "dark", hosts: { "https://a.example": { token: "t", refresh: "r" } } };
    writeFileSync(path, JSON.stringify(newer));
    saveLogin(path, "https://b.example", { token: "u" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject(newer);
  });

  test("is empty where there is none, and an error where it is broken", () => {
    using home = temporaryHome();
    const path = join(home.path, "credentials.json");
    expect(readCredentials(path)).toEqual({ hosts: {} });
    for (const broken of ["{", "[]", '{"hosts":{"x":{"token":7}}}', '{"hosts":{"x":{}}}']) {
      writeFileSync(path, broken);
      expect(() => readCredentials(path)).toThrow(`cannot use ${path}`);
    }
  });
});

testUnless(whyNoUserNamespace())(
  "a login that finds the disk full says so, and how to do without",
  async () => {
    using home = temporaryHome();
    const module = join(import.meta.dir, "../../src/client/credentials.ts");
    const script = `
    import { writeFileSync } from "node:fs";
    import { saveLogin } from ${JSON.stringify(module)};
    const [folder] = process.argv.slice(-1);
    try { writeFileSync(folder + "/ballast", Buffer.alloc(64 * 1024)); } catch {}
    try { saveLogin(folder + "/credentials.json", "https://one.example", { token: "t" }); }
    catch (error) { console.log(error.message + "\\n" + error.hint); }`;
    const mount = `mount -t tmpfs -o size=16k none "$1" && exec "$2" -e "$SCRIPT" "$1"`;
    const child = Bun.spawn(["unshare", "-rm", "sh", "-c", mount, "sh", home.path, process.execPath], {
      env: { PATH: process.env.PATH, SCRIPT: script },
      stdout: "pipe",
    });
    expect(await child.stdout.text()).toBe(
      `cannot write ${home.path}/credentials.json: the disk is full\n` +
        "make room there (df -h, df -i), or set REXEC_TOKEN and REXEC_HOST instead of logging in\n",
    );
  },
);

describe("the server that is meant", () => {
  const file = { current: "https://last.example", hosts: { "https://last.example": { token: "t" } } };

  test("is the option, REXEC_HOST, REXEC_API, the last login, the public service, in this order", () => {
    const env = { REXEC_HOST: "https://host.example", REXEC_API: "https://api.example" };
    expect(chooseHost({ host: "https://option.example" }, file, env)).toBe("https://option.example");
    expect(chooseHost({}, file, env)).toBe("https://host.example");
    expect(chooseHost({}, file, { REXEC_API: env.REXEC_API })).toBe("https://api.example");
    expect(chooseHost({}, file, {})).toBe("https://last.example");
    expect(chooseHost({}, { hosts: {} }, {})).toBe(DEFAULT_HOST);
  });

  test("is greeted with REXEC_TOKEN before a stored token, and with no other server's", () => {
    expect(requireLogin({}, file, { REXEC_TOKEN: "env" }).token).toBe("env");
    expect(() => requireLogin({ host: "https://other.example" }, file, {})).toThrow("not logged in");
  });

  test("keeps what was allowed at login: plain http, an authority", () => {
    const host = "http://192.0.2.7";
    const stored = { current: host, hosts: { [host]: { token: "t", insecure: true } } };
    expect(requireLogin({}, stored, {}).endpoint.base.origin).toBe(host);
    expect(() => requireLogin({ host: "http://192.0.2.8" }, stored, { REXEC_TOKEN: "t" })).toThrow(
      "plain http",
    );
    expect(
      requireLogin({ host: "http://192.0.2.8" }, stored, { REXEC_TOKEN: "t", REXEC_INSECURE: "1" }).token,
    ).toBe("t");
  });
});
