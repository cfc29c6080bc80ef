import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PAGE, withTable } from "../../../scripts/settings-table.ts";
import { gatewayOptions } from "../../../src/gateway/config/gateway-options.ts";
import { count, LIST_ITEMS, list, text } from "../../../src/gateway/config/kinds.ts";
import { loadConfig } from "../../../src/gateway/config/load.ts";
import { configAsYaml } from "../../../src/gateway/config/print.ts";
import { secret, setting } from "../../../src/gateway/config/setting.ts";
import { SETTINGS as S } from "../../../src/gateway/config/settings.ts";
import type { Sources } from "../../../src/gateway/config/sources.ts";
import { RexecError } from "../../../src/lib/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "rexec-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
/** A new YAML file. */
function yaml(content: string, mode = 0o600): string {
  files += 1;
  const path = join(folder, `serve-${files}.yaml`);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const sources = (given: Partial<Sources> = {}): Sources => ({
  options: {},
  env: { HOME: folder, ...given.env },
  cwd: folder,
  ...(({ env: _, ...rest }) => rest)(given),
});

/** What a person reads of an error, with its exit code. */
function refusal(given: Partial<Sources>, table?: Parameters<typeof loadConfig>[1]): string {
  try {
    const config = loadConfig(sources(given), table);
    gatewayOptions(config);
  } catch (error) {
    if (!(error instanceof RexecError)) throw error;
    return `${error.exitCode} ${error.message} | ${error.hint ?? ""}`;
  }
  return "";
}

describe("the order of the sources", () => {
  const file = yaml("port: 1000\nscrollback: 1000\nquotas:\n  agents: 1000\n");

  test("is option, variable, file, default, for each setting by itself", () => {
    const config = loadConfig(
      sources({
        options: { port: "3000" },
        env: { HOME: folder, REXEC_SERVE_PORT: "2000", REXEC_SERVE_SCROLLBACK: "2000" },
        file,
      }),
    );
    expect([S.port, S.scrollback, S.maxAgents, S.maxTokens].map((each) => config.get(each))).toEqual([
      3000, 2000, 1000, 1000,
    ]);
    expect([S.port, S.scrollback, S.maxAgents, S.maxTokens].map((each) => config.from(each))).toEqual([
      "--port",
      "REXEC_SERVE_SCROLLBACK",
      `${file}:4`,
      null,
    ]);
  });

  test("takes an empty variable and a key without a value as not given", () => {
    const config = loadConfig(
      sources({ env: { HOME: folder, REXEC_SERVE_PORT: "" }, file: yaml("port:\nhost: ~\ntls:\n") }),
    );
    expect([config.get(S.port), config.get(S.host), config.get(S.tlsCert)]).toEqual([
      8080,
      "127.0.0.1",
      undefined,
    ]);
  });

  test("has REXEC_LOG last for the level of the log, and a wrong one counts for nothing", () => {
    const level = (env: Record<string, string>, content = "") =>
      loadConfig(sources({ env, file: yaml(content) })).get(S.logLevel);
    expect(level({ REXEC_LOG: "debug" })).toBe("debug");
    expect(level({ REXEC_LOG: "nonsense" })).toBe("info");
    expect(level({ REXEC_LOG: "debug" }, "log:\n  level: warn\n")).toBe("warn");
    expect(level({ REXEC_LOG: "debug", REXEC_SERVE_LOG_LEVEL: "error" })).toBe("error");
  });

  test("reads the usual file if it is there, and asks for one that is named", () => {
    const usualFile = yaml("port: 1234\n");
    expect(loadConfig(sources({ usualFile })).get(S.port)).toBe(1234);
    expect(loadConfig(sources({ usualFile, file })).get(S.port)).toBe(1000);
    expect(loadConfig(sources({ usualFile: join(folder, "none.yaml") })).file).toBe(null);
    expect(refusal({ file: join(folder, "none.yaml") })).toStartWith(
      `2 cannot read ${join(folder, "none.yaml")}: ENOENT`,
    );
    expect(refusal({ env: { REXEC_SERVE_CONFIG: folder } })).toContain("EISDIR");
  });
});

describe("values", () => {
  test("of the file are texts as they stand there, lists and comma lists", () => {
    const config = loadConfig(
      sources({
        file: yaml(
          [
            "trust_proxy: [loopback, 10.0.0.0/8, '::1']",
            "allow_origin: https://a.example, https://b.example:8443/x",
            "v1_only: yes",
            'ring_budget: "64"',
            "liveness: { ping_interval: 1s, dead_after: 90 }",
          ].join("\n"),
        ),
      }),
    );
    expect(gatewayOptions(config)).toMatchObject({
      trustProxy: ["loopback", "10.0.0.0/8", "::1"],
      allowOrigins: ["https://a.example", "https://b.example:8443"],
      v1Only: true,
      ringBudget: 64 * 1024 * 1024,
      timings: { v2PingMs: 1_000, v2DeadMs: 90_000 },
    });
  });

  test("that are relative paths start at the working folder, in the file at its folder", () => {
    mkdirSync(join(folder, "sub"), { recursive: true });
    const file = join(folder, "sub", "serve.yaml");
    writeFileSync(file, "tls:\n  cert: a.pem\n  key: ../b.pem\ndata: ~/data\n");
    const config = loadConfig(
      sources({ file, cwd: "/var", env: { HOME: "/home/x", REXEC_SERVE_DOWNLOADS: "d" } }),
    );
    expect([S.tlsCert, S.tlsKey, S.data, S.downloads].map((each) => config.get(each))).toEqual([
      join(folder, "sub/a.pem"),
      join(folder, "b.pem"),
      "/home/x/data",
      "/var/d",
    ]);
  });

  test.each([
    ["port: 70000", 'port cannot be "70000" | it is a number from 0 to 65535'],
    ["port: 8_080", 'port cannot be "8_080" |'],
    ["port: [1, 2]", 'port cannot be "1, 2" | it is one value, not a list'],
    ["port: { a: 1 }", 'port cannot be "{…}" |'],
    ["\nquotas:\n  viewers: 0", 'quotas.viewers cannot be "0" | it is a number from 1 to 1000000'],
    ["quotas: 5", 'quotas has "key: value" lines in it'],
    [
      "liveness:\n  ping_interval: soon",
      'liveness.ping_interval cannot be "soon" | it is a time from 1s to 1h',
    ],
    ["v1_only: perhaps", 'v1_only cannot be "perhaps" | it is true or false'],
    ["public_url: example.com", 'public_url cannot be "example.com" | give the whole address'],
    ["trust_proxy:\n  - loopback\n  - 10.0.0.0/33", 'trust_proxy cannot be "10.0.0.0/33" | give an address'],
    [
      "log:\n  level: inof",
      'log.level cannot be "inof" | it is one of: debug, info, warn, error, silent; did you mean "info"?',
    ],
    ['host: "a\\tb"', "host cannot be"],
  ])("that are wrong are named with their line: %p", (content, message) => {
    const said = refusal({ file: yaml(content) });
    const line =
      content.split("\n").findIndex((each) => each.includes(message.split(" ")[0]?.split(".").at(-1) ?? "")) +
      1;
    expect(said).toStartWith("2 ");
    expect(said).toContain(`.yaml:${line}: ${message}`);
  });

  test.each([
    ["port: 1\nprot: 2", ':2: there is no key "prot" | did you mean "port"?'],
    ["public-url: https://a.example", 'there is no key "public-url" | did you mean "public_url"?'],
    ["tls_cert: a.pem", 'there is no key "tls_cert" | did you mean "tls.cert"?'],
    ["quotas:\n  agent: 1", ':2: there is no key "quotas.agent" | did you mean "quotas.agents"?'],
    ["max_agents: 1", 'there is no key "max_agents" | did you mean "quotas.agents"?'],
    ["dead_after: 9s", 'there is no key "dead_after" | did you mean "liveness.dead_after"?'],
    ["wholly_unrelated: 1", 'there is no key "wholly_unrelated" | rexec serve --print-config shows all keys'],
    ["? [a, b]\n: 1", "the file has a key that is no text"],
    ["- port", 'the file has "key: value" lines in it'],
    ["port: 1\nport: 2", ":2: broken YAML: Map keys must be unique"],
    ["tls: { cert: a\nport: 1", "broken YAML"],
    ["port: 1\n\thost: a", ":2: broken YAML"],
  ])(
    "of keys that do not exist, and YAML that is none, are named with their line: %p",
    (content, message) => {
      expect(refusal({ file: yaml(content) })).toContain(message);
    },
  );

  test("that are wrong are named together, up to five", () => {
    const said = refusal({ file: yaml("prot: 1\nscrollback: x\nhots: a\na1: 1\na2: 1\na3: 1\na4: 1\n") });
    expect(said).toMatch(
      /:1: there is no key "prot" \(did you mean "port"\?\); .*:2: scrollback cannot be "x" .*; .*:3: /,
    );
    expect(said).toEndWith("| 2 more are wrong");
  });

  test("of variables are named by the variable, also where an option overrules them", () => {
    expect(refusal({ env: { REXEC_SERVE_PORT: "tcp://10.0.0.1:80" }, options: { port: "1" } })).toBe(
      '2 REXEC_SERVE_PORT cannot be "tcp://10.0.0.1:80" | it is a number from 0 to 65535',
    );
    const { warnings } = loadConfig(
      sources({ env: { REXEC_SERVE_PROT: "1", REXEC_SERVE_SERVICE_HOST: "a" } }),
    );
    expect(warnings[0]).toBe("the variable REXEC_SERVE_PROT has no effect: did you mean REXEC_SERVE_PORT?");
    expect(warnings).toHaveLength(2);
  });

  test("that do not go together are named as they were given", () => {
    expect(refusal({ options: { "ping-interval": "9s" } })).toStartWith(
      "2 --dead-after must be longer than --ping-interval",
    );
    expect(refusal({ env: { REXEC_SERVE_TLS_CERT: "a" } })).toStartWith(
      "2 REXEC_SERVE_TLS_CERT and --tls-key belong together",
    );
    const file = yaml("tls:\n  key: a");
    expect(refusal({ file })).toStartWith(`2 --tls-cert and tls.key (${file}:2) belong together`);
  });

  test("are bounded: a file, a text and a list", () => {
    expect(refusal({ file: yaml(`host: a\n#${"x".repeat(1024 * 1024)}`) })).toContain(
      "more than 1048576 bytes",
    );
    expect(refusal({ options: { host: "a".repeat(5_000) } })).toContain("4096 characters at most");
    const many = Array.from({ length: LIST_ITEMS + 1 }, () => "10.0.0.1");
    expect(refusal({ options: { "trust-proxy": many.join(",") } })).toContain(`${LIST_ITEMS} at most`);
    expect(refusal({ file: yaml(`trust_proxy: [${many.join(", ")}]`) })).toContain(`${LIST_ITEMS} at most`);
    // An alias that stands for many others is no value.
    const bomb = `a: &a [x, x]\nb: &b [*a, *a]\ntrust_proxy: [*b, *b]`;
    expect(refusal({ file: yaml(bomb) })).toContain("trust_proxy is a value or a list of values");
  });
});

describe("--print-config", () => {
  test("prints what can be used as a file again", () => {
    const first = loadConfig(
      sources({
        options: {
          "trust-proxy": "::1,10.0.0.0/8",
          "tls-cert": "a b.pem",
          "tls-key": "k#1.pem",
          "v1-only": "true",
        },
        env: { REXEC_SERVE_PUBLIC_URL: "https://rexec.example.com/base/" },
      }),
    );
    const printed = configAsYaml(first, S);
    expect(printed).toContain(`key: "${join(folder, "k#1.pem")}"  # --tls-key\n`);
    const again = loadConfig(sources({ file: yaml(printed) }));
    expect(gatewayOptions(again)).toEqual(gatewayOptions(first));
    // All of them, unset, too.
    const bare = configAsYaml(loadConfig(sources()), S);
    expect(gatewayOptions(loadConfig(sources({ file: yaml(bare) })))).toEqual(
      gatewayOptions(loadConfig(sources())),
    );
  });
});

describe("a secret", () => {
  const table = {
    port: S.port,
    key: secret({
      flag: "idp-secret",
      key: "idp.secret",
      kind: text("SECRET"),
      description: "Of the provider",
    }),
    names: setting({
      flag: "names",
      key: "idp.names",
      kind: list(count("N", 1, 9)),
      default: "1,2",
      description: "x",
    }),
  };
  const file = yaml("hush hush\n", 0o640);
  const load = (given: Partial<Sources>) => loadConfig(sources(given), table);

  test("comes from a file that an option, a variable or a key names, or from a variable or key itself", () => {
    const ways: Partial<Sources>[] = [
      { options: { "idp-secret-file": file } },
      { env: { REXEC_SERVE_IDP_SECRET_FILE: file } },
      { env: { REXEC_SERVE_IDP_SECRET: "hush hush" } },
      { file: yaml(`idp:\n  secret: hush hush`) },
      { file: yaml(`idp:\n  secret_file: ${file}`) },
    ];
    for (const way of ways) {
      const config = load(way);
      expect(config.get(table.key)).toBe("hush hush");
      expect(config.warnings).toEqual([]);
      const printed = configAsYaml(config, table);
      expect(printed).not.toContain("hush");
      expect(printed).toContain("#   secret: set, not shown");
      expect(printed).toContain("names: [1, 2]");
    }
    expect(load({}).get(table.key)).toBe(undefined);
  });

  test("is not taken by an option, and two of them in one place are refused", () => {
    expect(load({ options: { "idp-secret": "hush" } }).get(table.key)).toBe(undefined);
    const env = { REXEC_SERVE_IDP_SECRET_FILE: file, REXEC_SERVE_IDP_SECRET: "x" };
    expect(refusal({ env }, table)).toContain(
      "REXEC_SERVE_IDP_SECRET and REXEC_SERVE_IDP_SECRET_FILE are both set",
    );
    expect(refusal({ file: yaml("idp:\n  secret_file: [a, b]") }, table)).toContain(
      ":2: idp.secret_file is the path of one file",
    );
    expect(refusal({ file: yaml("idp:\n  secret: hush\n  secret_file: x") }, table)).not.toContain("hush");
  });

  test("is in no error, and a file that cannot be used is named", () => {
    expect(refusal({ env: { REXEC_SERVE_IDP_SECRET: "hush\nhush" } }, table)).toBe(
      "2 the secret of REXEC_SERVE_IDP_SECRET is wrong | it has no control characters",
    );
    expect(refusal({ file: yaml('idp:\n  secret: "hush\\u0000"') }, table)).not.toContain("hush");
    for (const [what, path] of [
      ["ENOENT", join(folder, "none")],
      ["is empty", yaml("\n")],
      ["more than 4096 bytes", yaml("h".repeat(5_000))],
      ["no regular file", "/dev/zero"],
    ] as const) {
      const said = refusal({ options: { "idp-secret-file": path } }, table);
      if (path !== "/dev/zero") expect(said).toContain(what);
      expect(said).toStartWith("2 --idp-secret-file: ");
    }
  });

  test("that every account can read is warned of", () => {
    const open = yaml("hush", 0o644);
    expect(load({ options: { "idp-secret-file": open } }).warnings[0]).toContain(`others can read ${open}`);
    const config = yaml("idp:\n  secret: hush", 0o644);
    expect(load({ file: config }).warnings[0]).toContain(`others can read ${config}`);
  });
});

test("the table of settings in docs/gateway-config.md is that of the program", () => {
  const page = readFileSync(PAGE, "utf8");
  expect(page).toBe(withTable(page));
});

test("no two settings share a name", () => {
  const all = Object.values(S);
  for (const names of [
    all.map(({ flag }) => flag),
    all.map(({ key }) => key),
    all.map(({ variable }) => variable),
  ])
    expect(new Set(names).size).toBe(all.length);
});
