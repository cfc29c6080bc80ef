import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { environment, rexec, temporaryHome } from "../client/support/cli.ts";
import { agent, TOKEN, V1Server } from "../client/support/v1-server.ts";

setDefaultTimeout(30_000);

/** Two servers, and a home in which a person has logged in at both, at the second one last. */
async function withTwo(
  run: (env: Record<string, string>, urls: [string, string], file: string) => Promise<void>,
) {
  await using one = new V1Server({ agents: [agent("first")] });
  await using two = new V1Server({ agents: [agent("second")] });
  using home = temporaryHome();
  const env = environment({ HOME: home.path, NO_COLOR: "1" });
  for (const { url } of [one, two]) {
    expect((await rexec(["login", "--host", url], env, TOKEN)).code).toBe(0);
  }
  await run(env, [one.url, two.url], join(home.path, ".rexec/credentials.json"));
}

const nameOf = async (words: string[], env: Record<string, string>) => {
  const ran = await rexec(["ls", "--json", ...words], env);
  return ran.code === 0 ? JSON.parse(ran.stdout.toString())[0].name : ran.stderr;
};
const portOf = (url: string) => new URL(url).host;

describe("several servers", () => {
  test("are kept: the last login, use, --host and REXEC_HOST choose, in that order", () =>
    withTwo(async (env, [one, two]) => {
      expect(await nameOf([], env)).toBe("second");
      expect(await nameOf(["--host", one], env)).toBe("first");
      expect(await nameOf([], { ...env, REXEC_HOST: one })).toBe("first");
      const used = await rexec(["use", portOf(one)], env);
      expect(used).toMatchObject({ code: 0, stderr: `using ${one}\n` });
      expect(await nameOf([], env)).toBe("first");
      expect(await nameOf(["--host", portOf(two)], env)).toBe("second");
      expect(await nameOf(["--host", one], { ...env, REXEC_HOST: two })).toBe("first");
      const noted = await rexec(["use", two], { ...env, REXEC_HOST: one, REXEC_TOKEN: TOKEN });
      expect(noted.stderr).toContain("REXEC_HOST is set and counts before it");
      expect(noted.stderr).toContain("REXEC_TOKEN is set");
    }));

  test("are listed", () =>
    withTwo(async (env, [one, two]) => {
      const listed = (await rexec(["use"], env)).stdout.toString();
      expect(listed).toMatch(new RegExp(`^ +${one} +ada$`, "m"));
      expect(listed).toMatch(new RegExp(`^\\* +${two} +ada$`, "m"));
      expect(JSON.parse((await rexec(["use", "--json"], env)).stdout.toString())).toEqual([
        { host: one, username: "ada", current: false },
        { host: two, username: "ada", current: true },
      ]);
    }));

  test("are not guessed: a name that fits both, or none", () =>
    withTwo(async (env, [one, two]) => {
      for (const name of ["127.0.0.1", "127", "elsewhere"]) {
        const ran = await rexec(["use", name], env);
        expect(ran.code).toBe(3);
        expect(ran.stderr).toContain(
          `no server is clearly meant by "${name}": you are logged in at: ${one}, ${two}`,
        );
      }
    }));

  test("are left one by one, or all at once", () =>
    withTwo(async (env, [one, two], file) => {
      expect((await rexec(["logout", "--all", "--host", one], env)).code).toBe(2);
      const first = await rexec(["logout", "--host", portOf(one)], env);
      expect(first.stderr).toBe(`logged out of ${one}\n`);
      expect(Object.keys(JSON.parse(readFileSync(file, "utf8")).hosts)).toEqual([two]);
      expect((await rexec(["login", "--host", one], env, TOKEN)).code).toBe(0);
      const all = await rexec(["logout", "--all"], env);
      expect(all.code).toBe(0);
      expect(all.stderr.trim().split("\n").sort()).toEqual(
        [`logged out of ${one}`, `logged out of ${two}`].sort(),
      );
      expect(existsSync(file)).toBe(false);
      expect((await rexec(["use"], env)).stderr).toContain("not logged in anywhere");
      expect((await rexec(["logout", "--all"], env)).stderr).toContain("not logged in anywhere");
    }));

  test.each(["host", "api_url"])(
    "a file for one server (%s) is read, and becomes one for several",
    async (key) => {
      await using one = new V1Server({ agents: [agent("first")] });
      await using two = new V1Server({ agents: [agent("second")] });
      using home = temporaryHome();
      const env = environment({ HOME: home.path });
      const file = join(home.path, ".rexec/credentials.json");
      mkdirSync(join(home.path, ".rexec"));
      writeFileSync(
        file,
        JSON.stringify({ [key]: `${one.url}/`, token: TOKEN, username: "ada", theme: "dark" }),
        { mode: 0o600 },
      );
      expect(await nameOf([], env)).toBe("first");
      expect((await rexec(["login", "--host", two.url], env, TOKEN)).code).toBe(0);
      expect(await nameOf(["--host", one.url], env)).toBe("first");
      const { hosts, ...rest } = JSON.parse(readFileSync(file, "utf8"));
      expect(rest).toEqual({ current: two.url, theme: "dark" });
      expect(hosts[one.url]).toEqual({ token: TOKEN, username: "ada" });
    },
  );
});
