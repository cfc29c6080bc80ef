import { afterAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { ENTRY, environment, loggedIn, rexec } from "../client/support/cli.ts";
import { V1Server } from "../client/support/v1-server.ts";

const AGENT_ENTRY = join(import.meta.dir, "../../src/rexec-agent.ts");
const server = new V1Server();
afterAll(() => server[Symbol.asyncDispose]());
const env = loggedIn(server.url);

describe("what stands after --", () => {
  const remote: [string, string[], string][] = [
    ["--help", ["echo", "--help"], "--help\n"],
    ["-v and --version", ["echo", "-v", "--version"], "-v --version\n"],
    ["a second --", ["echo", "--", "x"], "-- x\n"],
    ["options of our own", ["echo", "--json", "--timeout=x", "--host"], "--json --timeout=x --host\n"],
    ["empty words and spaces", ["printf", "<%s>", "", " a  b ", "$HOME", "*"], "<>< a  b ><$HOME><*>"],
  ];
  test.each(remote)("belongs to the remote program: %s", async (_, words, output) => {
    const ran = await rexec(["exec", "box", "--", ...words], env);
    expect({ ...ran, stdout: ran.stdout.toString() }).toEqual({ code: 0, stdout: output, stderr: "" });
  });

  test("is the argument of a command that runs nothing remote, as everywhere", async () => {
    const ran = await rexec(["connect", "--", "--help"], env);
    expect(ran.code).toBe(255);
    expect(ran.stderr).toContain('there is no agent "--help"');
  });
});

describe("a wrong command line", () => {
  const wrong: [string[], string, string?][] = [
    [["exce", "box"], 'unknown command "exce"', 'did you mean "rexec exec"?'],
    [["lss"], 'unknown command "lss"', 'did you mean "rexec ls"?'],
    [["agent", "strat"], 'unknown command "strat"', 'did you mean "rexec agent start"?'],
    [["qqqqqq"], 'unknown command "qqqqqq"', "rexec --help lists the commands"],
    [["ls", "--jsn"], "unknown option --jsn", "did you mean --json?"],
    [["ls", "--jsn=1"], "unknown option --jsn", "did you mean --json?"],
    [["ls", "-z"], "unknown option -z"],
    [["exec", "-nz", "box", "--", "ls"], "unknown option -z (in -nz)"],
    [["--jsn", "ls"], "unknown option --jsn"],
    [["ls", "extra"], 'unexpected argument "extra"'],
    [["ls", "--", "extra"], 'unexpected argument "extra"'],
    [["exec", "box", "ls"], 'unexpected argument "ls"', "write -- in front of it"],
    [["exec", "box", "ls", "-l"], 'unexpected argument "ls"', "write -- in front of it"],
    [["exec", "box"], "no command to run", "write it after --"],
    [["exec", "--", "ls"], "missing argument NAME|ID"],
    [["connect"], "missing argument NAME|ID"],
    [["connect", ""], "missing argument NAME|ID"],
    [["ls", "--host"], "--host needs a value"],
    [["ls", "--host", "--json"], "--host needs a value", "--host=--json"],
    [["ls", "--host", "http://a", "--host", "http://b"], "--host is given twice"],
    [["ls", "--json=maybe"], "--json is a switch"],
    [["ls", "--host", "not a url"], "is no http(s) address", "give the whole URL"],
    [["ls", "--host", "http://192.0.2.1"], "plain http", "--insecure"],
    [["exec", "box", "--timeout", "soon", "--", "ls"], '--timeout cannot be "soon"', "30s"],
    [["exec", "box", "--timeout=0", "--", "ls"], '--timeout cannot be "0"'],
    [["connect", "box", "--dead-after", "1ms"], '--dead-after cannot be "1ms"', "8s"],
    [["exec", "box", "--env", "1=2", "--", "ls"], '--env cannot be "1=2"'],
    [["exec", "box", "-e", "NOT_SET_HERE", "--", "ls"], "no such variable here"],
    [["agent", "start", "--daemno"], "unknown option --daemno"],
    [["connect", "box", "--session", ".."], '--session cannot be ".."'],
    [["connect", "box", "--session="], '--session cannot be ""'],
    [["ls", "--host", ""], "--host is empty", "leave --host out"],
    [["login", "--host="], "--host is empty"],
    [["login", "--host", "http://a", "--token", ""], "--token is empty"],
    [["exec", "box", "--cwd=", "--", "ls"], "--cwd is empty"],
    [["agent", "register", "--host", "", "--token", "rexec_x"], "--host is empty"],
    [["agent", "register", "--token="], "--token is empty"],
    [["agent", "register", "--shell", ""], "--shell is empty"],
    [["agent", "status", "-c", ""], "--config is empty"],
    [["serve", "--data", ""], "--data is empty"],
    [["version", "--bogus"], "unknown option --bogus"],
    [["version", "extra"], 'unexpected argument "extra"'],
    [["--version", "--bogus"], "unknown option --bogus"],
    [["help", "ls", "--jsn"], "unknown option --jsn", "did you mean --json?"],
    [["ls", "-v", "-z"], "unknown option -z"],
    [["help", "ls", "extra"], 'unexpected argument "extra"'],
    [["help", "ls", "--", "extra"], 'unexpected argument "extra"'],
    [["ls", "--version", "extra"], 'unexpected argument "extra"'],
    [["agent", "help", "start", "--daemno"], "unknown option --daemno"],
    [["agent", "version"], 'unknown command "version"', 'did you mean "rexec version"?'],
    [["agent", "vershon"], 'unknown command "vershon"', "rexec agent --help lists the commands"],
  ];
  test.each(wrong.map(([args, message, hint]) => [args, message, hint ?? ""] as const))(
    "is refused: rexec %p",
    async (args, message, hint) => {
      const ran = await rexec(args, env);
      expect(ran.code).toBe(2);
      expect(ran.stdout.toString()).toBe("");
      expect(ran.stderr).toStartWith("error: ");
      expect(ran.stderr.split("\n")[0]).toContain(message);
      if (hint) expect(ran.stderr.split("\n")[1]).toContain(hint);
      expect(ran.stderr).not.toContain("    at ");
    },
  );

  test("shows the usage of the command that was meant", async () => {
    const { stderr } = await rexec(["exec", "box", "--bogus", "--", "ls"], env);
    expect(stderr).toContain("usage: rexec exec [options] NAME|ID -- COMMAND [ARG…]");
  });
});

describe("a filter that nothing passes", () => {
  const filters: [string[], string][] = [
    [["--tag", "web"], 'no machine matches "web"'],
    [["--tag", "web", "--tag", "db"], 'no machine matches "web" and "db"'],
    [["--online", "--tag", "web"], 'no online machine matches "web"'],
  ];
  test.each(filters)("is named: ls %p", async (words, said) => {
    const ran = await rexec(["ls", ...words], env);
    expect({ ...ran, stdout: ran.stdout.toString() }).toEqual({ code: 0, stdout: "", stderr: `${said}\n` });
  });
});

describe("options", () => {
  const same: [string, string[]][] = [
    ["in front of the command", ["--host", server.url, "ls", "--json"]],
    ["behind it", ["ls", "--json", "--host", server.url]],
    ["with =", ["ls", `--host=${server.url}`, "--json"]],
  ];
  test.each(same)("stand %s", async (_, args) => {
    const ran = await rexec(args, { ...env, REXEC_HOST: "http://127.0.0.1:1" });
    expect(ran.stderr).toBe("");
    expect(JSON.parse(ran.stdout.toString())[0].name).toBe("box");
  });

  test("are negated by --no-", async () => {
    const ran = await rexec(["ls", "--no-json"], env);
    expect(ran.stdout.toString()).toContain("NAME");
  });

  test("may be repeated where each value counts", async () => {
    const ran = await rexec(
      ["exec", "box", "-eA=1,2", "--env", "B=x y", "--", "sh", "-c", "echo $A/$B"],
      env,
    );
    expect(ran.stdout.toString()).toBe("1,2/x y\n");
  });
});

describe("help", () => {
  const asked: [string[], string][] = [
    [["--help"], "Usage: rexec [options] COMMAND"],
    [["-h"], "Usage: rexec [options] COMMAND"],
    [["help"], "Usage: rexec [options] COMMAND"],
    [["exec", "--help"], "Usage: rexec exec [options] NAME|ID -- COMMAND [ARG…]"],
    [["help", "exec"], "Usage: rexec exec [options] NAME|ID -- COMMAND [ARG…]"],
    [["exec", "box", "--bogus", "--help", "--", "ls"], "Usage: rexec exec"],
    [["ssh", "-h"], "Usage: rexec connect [options] NAME|ID"],
    [["agent", "--help"], "Usage: rexec agent [options] COMMAND"],
    [["agent", "register", "-h"], "Usage: rexec agent register [options]"],
    [["help", "agent", "start"], "Usage: rexec agent start [options]"],
    [["agent", "help", "start"], "Usage: rexec agent start [options]"],
  ];
  test.each(asked)("goes to stdout with exit code 0: rexec %p", async (args, usage) => {
    const ran = await rexec(args);
    expect(ran.code).toBe(0);
    expect(ran.stderr).toBe("");
    const text = ran.stdout.toString();
    expect(text).toContain(usage);
    expect(text).toContain("Exit codes:");
    expect(text).toContain("the command line was wrong");
  });

  test.each(["login", "logout", "whoami", "ls", "connect", "exec", "sessions", "attach", "kill"])(
    "of %s shows how it is used",
    async (name) => {
      const text = (await rexec([name, "--help"])).stdout.toString();
      expect(text).toContain("Examples:\n  # ");
      const isRemote = ["connect", "exec", "attach"].includes(name);
      expect(text).toContain(
        isRemote ? "  255    also: rexec itself failed" : "not registered, not running, or not logged in",
      );
      for (const line of text.split("\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(100);
    },
  );

  test("of a command that does not exist is an error", async () => {
    expect((await rexec(["help", "exce"])).code).toBe(2);
    expect((await rexec(["exce", "--help"])).code).toBe(2);
  });

  test("comes on stderr, with exit code 2, where no command was given", async () => {
    for (const args of [[], ["agent"]]) {
      const ran = await rexec(args);
      expect(ran.code).toBe(2);
      expect(ran.stdout.length).toBe(0);
      expect(ran.stderr).toContain("Commands:");
    }
  });
});

describe("the version", () => {
  test.each(["version", "--version", "-v", "ls -v"])("is one line: %s", async (line) => {
    const ran = await rexec(line.split(" "));
    expect(ran.code).toBe(0);
    expect(ran.stdout.toString()).toMatch(/^rexec \d+\.\d+\.\d+\S* \(\w+\)\n$/);
  });

  test("names the program that was asked", async () => {
    const ran = await rexec(["version"], environment(), null, AGENT_ENTRY);
    expect(ran.stdout.toString()).toStartWith("rexec-agent ");
  });
});

test("the same agent commands are in both programs", async () => {
  const strip = (text: string) => text.replaceAll("rexec agent", "rexec-agent").split("\nUsage")[1];
  const [inCli, alone] = await Promise.all([
    rexec(["agent", "register", "--help"], environment(), null, ENTRY),
    rexec(["register", "--help"], environment(), null, AGENT_ENTRY),
  ]);
  expect(strip(inCli.stdout.toString())).toBe(strip(alone.stdout.toString()));
});
