/** An account that the system does not know, without HOME: what `docker run --user 12345` gives. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { binary } from "../support/binaries.ts";
import { describeUnless, lacks, whyNotRoot } from "../support/needs.ts";
import { World } from "./support.ts";

const AS = ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"];
const why = whyNotRoot("be another account") ?? lacks("setpriv");

interface Ran {
  code: number;
  text: string;
}

/** `env` is all there is: no HOME, USER or SHELL. */
function run(program: "rexec" | "rexec-agent", args: string[], env: Record<string, string> = {}): Ran {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...AS, binary(program), ...args], {
    env: { PATH: process.env.PATH ?? "", ...env },
    cwd: "/",
    stdin: "ignore",
    timeout: 20_000,
  });
  return { code: exitCode ?? -1, text: `${stdout}${stderr}` };
}

describeUnless(why)("an account without an entry", () => {
  const commands: ["rexec" | "rexec-agent", string[], number][] = [
    ["rexec-agent", ["status"], 3],
    ["rexec-agent", ["doctor"], 1],
    ["rexec-agent", ["logs"], 3],
    ["rexec-agent", ["stop"], 3],
    ["rexec-agent", ["start"], 3],
    ["rexec-agent", ["--help"], 0],
    ["rexec", ["ls", "--host", "http://127.0.0.1:9"], 3],
    ["rexec", ["whoami", "--host", "http://127.0.0.1:9"], 3],
    ["rexec", ["serve", "--port", "0"], 1],
  ];
  for (const HOME of [undefined, "", "relative"]) {
    test.each(commands)(`with HOME=${HOME ?? "(unset)"}: %s %p`, (program, args, code) => {
      const ran = run(program, args, HOME === undefined ? {} : { HOME });
      expect(ran.text).not.toMatch(/uv_os_homedir|ENOENT: no such/);
      expect(ran).toEqual({ text: ran.text, code });
    });
  }

  describe("with an agent", () => {
    let world: World;
    beforeAll(async () => {
      const none = { HOME: undefined, USER: undefined, LOGNAME: undefined, SHELL: undefined };
      world = new World({ agentRunner: AS, env: { ...none, XDG_RUNTIME_DIR: undefined } });
      chmodSync(world.folder, 0o777);
      await world.stack.startGateway();
      await world.stack.register("box");
      await world.stack.startAgent();
    });
    afterAll(() => world[Symbol.asyncDispose]());

    test("runs commands and shells in /, under its number", async () => {
      const look = 'echo "$HOME|$USER|$LOGNAME|$SHELL|$PWD|$(id -u)"';
      const ran = await world.rexec(["exec", "box", "--", "sh", "-c", look]);
      expect(ran.stdout.toString()).toMatch(/^\/\|12345\|12345\|\/bin\/(ba)?sh\|\/\|12345\n$/);
      expect(ran.code).toBe(0);
    });
  });
});
