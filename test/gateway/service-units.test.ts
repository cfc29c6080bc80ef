/** The gateway's units as text, for each version of systemd and with odd paths. `test/systemd` runs them. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "../../src/gateway/config/load.ts";
import { givenAsYaml } from "../../src/gateway/config/print.ts";
import { SETTINGS } from "../../src/gateway/config/settings.ts";
import { placeOf } from "../../src/gateway/service/place.ts";
import { resolveGatewayService } from "../../src/gateway/service/resolve.ts";
import type { GatewayServiceSpec } from "../../src/gateway/service/spec.ts";
import { serviceUnit, socketUnit } from "../../src/gateway/service/units.ts";
import { lacks, testUnless } from "../support/needs.ts";

const folder = mkdtempSync(join(tmpdir(), "rexec-units-"));
afterAll(() => rmSync(folder, { recursive: true }));

const spec: GatewayServiceSpec = {
  executable: "/bin/true",
  config: "/etc/rexec/serve.yaml",
  scope: "system",
  listen: { host: "127.0.0.1", port: 8080 },
  data: "/var/lib/rexec",
  files: [{ path: "/var/lib/rexec", access: "write" }],
  ringBudget: 256 * 1024 * 1024,
  envFile: "/etc/rexec/serve.env",
  systemdVersion: 252,
};
const here = Number(/^systemd (\d+)/.exec(systemdVersion())?.[1] ?? 0);

describe("the units", () => {
  for (const [name, each] of [
    ["plain", spec],
    [
      "odd",
      {
        ...spec,
        config: '/etc/rex $HOME %n "q"/é.yaml',
        files: [{ path: "/srv/my data/100%", access: "write" }],
      },
    ],
    ["user", { ...spec, scope: "user" as const }],
  ] as const) {
    testUnless(lacks("systemd-analyze") ?? (here < 252 ? `systemd is ${here} here` : null))(
      `are clean to systemd-analyze: ${name}`,
      () => {
        const unit = join(folder, "rexec-gateway.service");
        // The account is made by the installation.
        writeFileSync(unit, serviceUnit(each).replace(/^User=.*\nGroup=.*\n/m, ""));
        writeFileSync(join(folder, "rexec-gateway.socket"), socketUnit(each));
        const scope = each.scope === "user" ? ["--user"] : [];
        const env = { ...process.env, XDG_RUNTIME_DIR: folder };
        const { stderr, exitCode } = Bun.spawnSync(["systemd-analyze", ...scope, "verify", unit], { env });
        expect([exitCode, stderr.toString()]).toEqual([0, ""]);
      },
      30_000,
    );
  }

  test("of an account leave no variable of a login in force", () => {
    const unit = serviceUnit({ ...spec, scope: "user" });
    for (const { variable } of Object.values(SETTINGS))
      expect(unit).toMatch(new RegExp(`^Environment=.*\\b${variable}=( |$)`, "m"));
    expect(serviceUnit(spec)).not.toContain("REXEC_SERVE_");
  });

  test("hold no line end that a path brings", () => {
    expect(serviceUnit({ ...spec, config: "/a\nExecStartPre=/bin/evil" })).not.toMatch(
      /^ExecStartPre=\/bin\/evil/m,
    );
  });
});

describe("a service that could not run", () => {
  const place = placeOf("system", {}, "/root");
  const resolved = (options: Record<string, string>, more: object = {}) => {
    const config = loadConfig({
      options: { data: "/var/lib/rexec", ...options },
      env: { HOME: "/root" },
      cwd: "/",
    });
    const facts = {
      executable: "/bin/true",
      config: place.config,
      scope: "system" as const,
      place,
      systemdVersion: 252,
    };
    return resolveGatewayService(config, { ...facts, ...more });
  };

  test.each([
    [{ port: "0" }, {}, "a port that stays"],
    [{ host: "gateway.example.com" }, {}, 'cannot listen on the name "gateway.example.com"'],
    [{ data: "/home/me/data" }, {}, "the service does not see /home/me/data"],
    [{ "tls-cert": "/root/c.pem", "tls-key": "/etc/k.pem" }, {}, "the service does not see /root/c.pem"],
    [{ downloads: "/tmp/dist" }, {}, "the service does not see /tmp/dist"],
    [{ port: "443" }, { scope: "user" }, "cannot listen on port 443"],
    [{}, { executable: "/usr/local/bin/none/rexec" }, "that file is gone"],
    [{}, { executable: "/tmp/rexec" }, "cannot run /tmp/rexec"],
  ] as const)("is refused before anything is written: %j", (options, more, said) => {
    expect(() => resolved(options, more)).toThrow(said);
  });

  test("has what its settings name, a secret's file among it, and may write where they say so", () => {
    const token = join(folder, "token");
    writeFileSync(token, "0123456789abcdef");
    const text = `data: /srv/rexec\ntls:\n  cert: c.pem\n  key: /etc/k.pem\nmetrics:\n  token_file: ${token}\n`;
    const config = loadConfig({ options: {}, env: {}, cwd: "/", file: "/etc/rexec/serve.yaml", text });
    expect(config.files()).toEqual([
      { path: "/etc/rexec/serve.yaml", access: "read" },
      { path: "/srv/rexec", access: "write" },
      { path: "/etc/rexec/c.pem", access: "read" },
      { path: "/etc/k.pem", access: "read" },
      { path: token, access: "read" },
    ]);
    const unit = serviceUnit({ ...spec, files: config.files() });
    expect(unit).toContain("\nReadWritePaths=/srv/rexec\n");
    expect(serviceUnit(spec)).not.toContain("ReadWritePaths");
    const files = (recordings: string) =>
      loadConfig({ options: { recordings, data: "/d" }, env: {}, cwd: "/" }).files();
    expect(files("/srv/recordings")).toContainEqual({ path: "/srv/recordings", access: "write" });
    expect(files("s3://bucket/prefix")).toEqual([{ path: "/d", access: "write" }]);
  });

  test("has an address in numbers", () => {
    expect(resolved({ host: "localhost" }).listen).toEqual({ host: "127.0.0.1", port: 8080 });
    expect(resolved({ host: "[::]" }).listen.host).toBe("::");
  });
});

test("the file of a service holds what was given, and reads the same", () => {
  const given = {
    port: "443",
    "trust-proxy": "loopback,::1",
    "dead-after": "9s",
    "public-url": "https://a.example/",
    "v1-only": "true",
  };
  const config = loadConfig({ options: given, env: {}, cwd: "/srv" });
  const text = givenAsYaml(config, SETTINGS);
  expect(text).toBe(
    [
      "# Settings of the gateway. rexec serve --print-config shows all of them.",
      "port: 443",
      "public_url: https://a.example/",
      'trust_proxy: [loopback, "::1"]',
      "v1_only: true",
      "liveness:",
      "  dead_after: 9s",
      "",
    ].join("\n"),
  );
  const again = loadConfig({ options: {}, env: {}, cwd: "/", file: "/etc/rexec/serve.yaml", text });
  for (const setting of [SETTINGS.port, SETTINGS.publicUrl, SETTINGS.trustProxy, SETTINGS.deadAfter]) {
    expect(again.get<unknown>(setting)).toEqual(config.get<unknown>(setting));
  }
});

function systemdVersion(): string {
  try {
    return Bun.spawnSync(["systemd-analyze", "--version"]).stdout.toString();
  } catch {
    return "";
  }
}
