import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { between, expectRestored, loggedIn, temporaryHome } from "./support/cli.ts";
import { TOKEN, V1Server } from "./support/v1-server.ts";

describe("login in a terminal", () => {
  test("asks for the token and never shows it", async () => {
    await using server = new V1Server();
    using home = temporaryHome();
    const env = { ...loggedIn(server.url), HOME: home.path, REXEC_TOKEN: "" };
    await using screen = await between("login", env);
    await screen.shows("API token for");
    await screen.type(`typo\x15${TOKEN}x\x7f\r`);
    await expectRestored(screen, 0);
    expect(screen.shown).toContain("as ada");
    expect(screen.shown).not.toContain("typo");
    expect(screen.shown).not.toContain(TOKEN.slice(6, 20));
  });

  test("can be cancelled with Ctrl-C, which changes nothing", async () => {
    await using server = new V1Server();
    using home = temporaryHome();
    const env = { ...loggedIn(server.url), HOME: home.path, REXEC_TOKEN: "" };
    await using screen = await between("login", env);
    await screen.shows("API token for");
    await screen.type("abc\x03");
    await expectRestored(screen, 130);
    expect(await Bun.file(join(home.path, ".rexec/credentials.json")).exists()).toBe(false);
  });
});
