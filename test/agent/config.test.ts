import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ConfigOptions,
  DEFAULT_HOST,
  loadConfig,
  requireRegistered,
} from "../../src/agent/config/config.ts";
import { emptyConfig, readConfig } from "../../src/agent/config/file.ts";
import { jsonErrorOffset } from "../../src/agent/config/json-position.ts";
import { assertWritable, saveConfig } from "../../src/agent/config/save.ts";
import { testUnless, whyNoMount } from "../support/needs.ts";

let home: string;
let system: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "rexec-config-"));
  system = join(home, "etc", "agent.yaml");
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

function write(path: string, text: string): string {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

const load = (extra: Partial<ConfigOptions> = {}, env: Record<string, string> = {}) =>
  loadConfig({ systemConfig: system, env: { HOME: home, ...env }, ...extra });

const GUIDE = `api_url: https://rexec.pipeops.io
token: rexec_abc
agent_id: abc123-def456
name: prod-server-1
labels:
  - production
  - aws
shell: /bin/bash
working_dir: /root
`;

describe("where the configuration is", () => {
  test("the system's file comes before the user's", () => {
    const own = write(join(home, ".rexec", "agent.json"), '{"name":"own"}');
    expect(load().path).toBe(own);
    write(system, "name: system\n");
    expect(load().file?.settings.name).toBe("system");
  });

  test("a file that is named comes before both, by option before variable", () => {
    write(system, "name: system\n");
    const [a, b] = [write(join(home, "a.yml"), "name: a\n"), write(join(home, "b.json"), '{"name":"b"}')];
    expect(load({}, { REXEC_CONFIG: b }).file?.settings.name).toBe("b");
    expect(load({ config: a }, { REXEC_CONFIG: b }).file?.settings.name).toBe("a");
  });

  test("the example of the guide means what it says", () => {
    write(system, GUIDE);
    expect(requireRegistered(load())).toMatchObject({
      host: "https://rexec.pipeops.io",
      token: "rexec_abc",
      agentId: "abc123-def456",
      name: "prod-server-1",
      shell: "/bin/bash",
      workingDir: "/root",
    });
    expect(load().file?.settings.tags).toEqual(["production", "aws"]);
  });
});

describe("what applies", () => {
  test("options before variables before the file before the default; REXEC_API is an alias", () => {
    expect(load().host).toBe(DEFAULT_HOST);
    write(system, "api_url: https://file\ntoken: from-file\n");
    expect(load()).toMatchObject({ host: "https://file", token: "from-file", tokenOrigin: "file" });
    const env = { REXEC_API: "https://api", REXEC_TOKEN: "from-env" };
    expect(load({}, env)).toMatchObject({
      host: "https://api",
      token: "from-env",
      tokenOrigin: "environment",
    });
    expect(load({}, { ...env, REXEC_HOST: "https://host" }).host).toBe("https://host");
    expect(load({ host: "https://option", token: "option" }, env)).toMatchObject({
      host: "https://option",
      token: "option",
    });
  });

  test.each([
    ["", "config_missing"],
    ["token: t\n", "not_registered"],
    ["agent_id: a\n", "token_missing"],
  ])("with %j in the file it says what is missing, with exit code 3 and what to run", (text, code) => {
    if (text) write(system, text);
    const error = caught(() => requireRegistered(load()));
    expect(error).toMatchObject({ code, exitCode: 3 });
    expect(error).toHaveProperty("hint", expect.stringContaining("rexec-agent register"));
  });

  test("a bare number or truth value in YAML is text where text is meant", () => {
    write(system, "agent_id: 0123\nname: 12e3\ntoken: true\nlabels: [1, two]\n");
    expect(load().file?.settings).toMatchObject({
      agent_id: "0123",
      name: "12e3",
      token: "true",
      tags: ["1", "two"],
    });
  });
});

describe("what is wrong with a file is said with its line", () => {
  test.each([
    ["a.yaml", "name: x\ntoken: [unclosed\n", 3],
    ["a.yaml", "name: x\n\ttoken: y\n", 2],
    ["a.yaml", "name: x\nname: y\n", 2],
    ["a.yaml", "- a\n- b\n", 1],
    ["a.yaml", "name: x\nlabels:\n  a: b\n", 2],
    ["a.yaml", "name: x\ninsecure: maybe\n", 2],
    ["a.json", '{\n  "name": "x",\n}\n', 3],
    ["a.json", '{\n  "name": "x"\n  "token": "y"\n}\n', 3],
    ["a.json", '{\n  "name": "x"', 2],
    ["a.json", '{\n  "name": 7\n}\n', 2],
    ["a.json", '{\n  "name": "x",\n  "tags": [1]\n}\n', 3],
    ["a.json", "[]", 1],
  ])("%s %j: line %d", (name, text, line) => {
    const path = write(join(home, name), text);
    const error = caught(() => readConfig(path));
    expect(error).toMatchObject({ code: "config_broken" });
    expect(String(error)).toContain(`${path}:${line}:`);
  });

  test("the offset of a JSON error is that of the first character that can't be there", () => {
    expect(jsonErrorOffset('{"a": nope}')).toBe(6);
    expect(jsonErrorOffset('{"a": 1} x')).toBe(9);
    expect(jsonErrorOffset('{"a": [1, 2')).toBe(11);
    expect(jsonErrorOffset('{"a" 1}')).toBe(5);
  });
});

describe("writing it back", () => {
  test("keeps comments, unknown keys and the spelling of labels in YAML", () => {
    const path = write(
      join(home, "a.yaml"),
      "# mine\nname: old # the name\nfuture: {x: 1}\nlabels: # where\n  - a\n",
    );
    const file = readConfig(path);
    if (!file) throw new Error("unreadable");
    saveConfig(file, { name: "new", tags: ["b", "c"], agent_id: "id" });
    const text = readFileSync(path, "utf8");
    expect(text).toContain("# mine");
    expect(text).toContain("name: new # the name");
    expect(text).toContain("future: { x: 1 }");
    expect(text).toContain("# where");
    expect(text).not.toContain("tags");
    expect(readConfig(path)?.settings).toMatchObject({ name: "new", tags: ["b", "c"], agent_id: "id" });
  });

  test("keeps unknown keys and the spelling of labels in JSON", () => {
    const path = write(join(home, "a.json"), '{"labels":["a"],"future":{"x":1}}');
    const file = readConfig(path);
    if (!file) throw new Error("unreadable");
    saveConfig(file, { tags: ["b"], shell: "/bin/sh" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({
      labels: ["b"],
      future: { x: 1 },
      shell: "/bin/sh",
    });
  });

  test("a new YAML file says labels, a new JSON file says tags; both are private", () => {
    for (const [name, key] of [
      ["n/a.yaml", "labels"],
      ["n/a.json", "tags"],
    ] as const) {
      const path = join(home, name);
      saveConfig(emptyConfig(path), { tags: ["x"] });
      expect(readFileSync(path, "utf8")).toContain(key);
      expect(statSync(path).mode & 0o777).toBe(0o600);
    }
  });

  test("a text that looks like a number stays text", () => {
    const path = join(home, "a.yaml");
    saveConfig(emptyConfig(path), { name: "007", token: "true", description: "a: b # c" });
    expect(readConfig(path)?.settings).toEqual({ name: "007", token: "true", description: "a: b # c" });
  });

  test("follows a symbolic link and makes the file private that others could read", () => {
    const target = write(join(home, "real.yaml"), "name: x\n");
    chmodSync(target, 0o644);
    const link = join(home, "link.yaml");
    symlinkSync(target, link);
    const file = readConfig(link);
    expect(file?.warnings).toEqual([expect.stringContaining("chmod 600")]);
    if (file) saveConfig(file, { name: "y" });
    expect(readFileSync(target, "utf8")).toContain("name: y");
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readConfig(link)?.warnings).toEqual([]);
  });

  test("says that a folder is no file", () => {
    expect(() => readConfig(home)).toThrow(
      expect.objectContaining({ code: "config_unreadable", hint: expect.stringContaining("is a folder") }),
    );
  });

  test("asking whether a file could be written leaves nothing behind", () => {
    assertWritable(join(home, "deep", "er", "agent.json"));
    expect(readdirSync(home)).toEqual([]);
  });

  testUnless(whyNoMount())("a full disk is an error, and the old file is whole", () => {
    const disk = join(home, "disk");
    mkdirSync(disk);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk]);
    if (!mounted.success) throw new Error(`no tmpfs: ${mounted.stderr}`);
    try {
      const path = write(join(disk, "agent.yaml"), "name: old\n");
      expect(() => writeFileSync(join(disk, "filler"), Buffer.alloc(100_000))).toThrow();
      const file = readConfig(path);
      if (!file) throw new Error("unreadable");
      for (const attempt of [
        () => assertWritable(path),
        () => saveConfig(file, { name: "n".repeat(9_000) }),
      ]) {
        const error = caught(attempt);
        expect(error).toMatchObject({ code: "config_unwritable" });
        expect(error).toHaveProperty("hint", expect.stringContaining("make room"));
      }
      expect(readFileSync(path, "utf8")).toBe("name: old\n");
      expect(readdirSync(disk).sort()).toEqual(["agent.yaml", "filler"]);
    } finally {
      Bun.spawnSync(["umount", disk]);
    }
  });

  testUnless(whyNoMount())("a read-only folder is an error, before anything is made", () => {
    const disk = join(home, "ro");
    mkdirSync(disk);
    const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "ro,size=64k", "tmpfs", disk]);
    if (!mounted.success) throw new Error(`no tmpfs: ${mounted.stderr}`);
    try {
      const error = caught(() => assertWritable(join(disk, "agent.yaml")));
      expect(error).toMatchObject({ code: "config_unwritable" });
      expect(error).toHaveProperty("hint", expect.stringContaining("read-only"));
      expect(existsSync(join(disk, "agent.yaml"))).toBe(false);
    } finally {
      Bun.spawnSync(["umount", disk]);
    }
  });
});

function caught(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

describe("a file of the original agent", () => {
  const ORIGINAL = {
    id: "abc123-def456",
    name: "box",
    host: "https://rexec.example.com",
    token: "rexec_abc",
    shell: "/bin/zsh",
    tags: null,
    registered_at: "2025-01-01T00:00:00Z",
  };

  test.each([
    ["json", JSON.stringify(ORIGINAL)],
    ["yaml", 'id: abc123-def456 # theirs\nhost: https://rexec.example.com\nname: box\ntoken: "rexec_abc"\n'],
  ])("is all that it takes to run: %s", (ending, text) => {
    write(join(home, `agent.${ending}`), text);
    const config = requireRegistered(load({ config: join(home, `agent.${ending}`) }));
    expect(config).toMatchObject({
      agentId: "abc123-def456",
      host: "https://rexec.example.com",
      token: "rexec_abc",
      name: "box",
    });
  });

  test("keeps its own spelling beside ours when it is written, with the same values", () => {
    const path = write(join(home, "agent.json"), JSON.stringify(ORIGINAL));
    saveConfig(readConfig(path) ?? emptyConfig(path), { token: "rexec_new" });
    const upgraded = { ...ORIGINAL, token: "rexec_new", agent_id: ORIGINAL.id, api_url: ORIGINAL.host };
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(upgraded);
    saveConfig(readConfig(path) ?? emptyConfig(path), { agent_id: "new", api_url: "https://other.example" });
    expect(JSON.parse(readFileSync(path, "utf8"))).toMatchObject({
      ...{ id: "new", agent_id: "new", host: "https://other.example", api_url: "https://other.example" },
    });
    const yaml = write(join(home, "agent.yaml"), "id: 12 # theirs\nhost: https://a.example\n");
    saveConfig(readConfig(yaml) ?? emptyConfig(yaml), { name: "n" });
    expect(readFileSync(yaml, "utf8")).toContain('id: "12" # theirs');
    expect(readConfig(yaml)?.settings).toMatchObject({ agent_id: "12", api_url: "https://a.example" });
  });

  test("is told by its own words where one of them is wrong; ours counts where both stand there", () => {
    const path = write(join(home, "agent.json"), '{\n"id": ["a"]\n}');
    expect(() => readConfig(path)).toThrow(`${path}:2: id: `);
    write(path, '{"id": "theirs", "agent_id": "ours", "host": "", "api_url": "https://a.example"}');
    expect(readConfig(path)?.settings).toMatchObject({ agent_id: "ours", api_url: "https://a.example" });
  });
});

test("token_in_query counts for the server that this machine is registered at, and for no other", () => {
  write(system, `${GUIDE}token_in_query: true\n`);
  const allowed = (extra: Partial<ConfigOptions> = {}, env: Record<string, string> = {}) =>
    requireRegistered(load(extra, env)).tokenInQuery;
  expect(allowed()).toBe(true);
  expect(allowed({ host: "https://REXEC.pipeops.io:443/" })).toBe(true);
  expect(allowed({ host: "https://other.example.com" })).toBe(false);
  expect(allowed({ host: "https://rexec.pipeops.io/other" })).toBe(false);
  expect(allowed({}, { REXEC_HOST: "https://other.example.com" })).toBe(false);
  expect(allowed({}, { REXEC_API: "http://127.0.0.1:1" })).toBe(false);
  write(system, GUIDE);
  expect(allowed()).toBe(false);
});
