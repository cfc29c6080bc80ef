/** `curl … | REXEC_TOKEN=… sudo bash`, with the machine's own sudo, which drops the environment unless it is told. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { binary } from "../support/binaries.ts";
import { startGateway } from "../support/gateway.ts";
import { describeUnless, lacks } from "../support/needs.ts";

const folder = mkdtempSync(join(tmpdir(), "rexec-sudo-"));
afterAll(() => {
  // What sudo has made is root's.
  if (whyNoSudo() === null) Bun.spawnSync(["sudo", "-n", "rm", "-rf", folder]);
  rmSync(folder, { recursive: true, force: true });
});

describeUnless(whyNoSudo() ?? lacks("curl"))("the installer through sudo", () => {
  const places = { REXEC_BIN_DIR: join(folder, "bin"), REXEC_CONFIG: join(folder, "agent.yaml") };

  /** As it is typed into a shell; the places are told to sudo as options, which reach the script in any case. */
  async function piped(url: string, sudo: string, env: Record<string, string>) {
    const words = Object.entries(places).map(([name, value]) => `${name}=${value}`);
    const line = `curl -fsSL ${url}/install-agent.sh | ${sudo} ${words.join(" ")} sh -s -- --no-service`;
    const child = Bun.spawn(["sh", "-c", line], {
      env: { PATH: process.env.PATH ?? "", HOME: folder, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    return { out, err, code };
  }

  test("says that sudo dropped the token, changes nothing and exits 1", async () => {
    await using gateway = await startGateway({ downloads: [dirname(binary("rexec-agent"))] });
    const env = { REXEC_TOKEN: gateway.token, REXEC_INSECURE: "1" };
    const { out, err, code } = await piped(gateway.url, "sudo -n", env);
    expect(code).toBe(1);
    expect(err).toStartWith("error: sudo dropped REXEC_TOKEN");
    expect(err).toContain("sudo --preserve-env=REXEC_INSECURE,REXEC_TOKEN sh");
    expect(out + err).not.toContain(gateway.token.slice(6));
    expect([existsSync(places.REXEC_BIN_DIR), existsSync(places.REXEC_CONFIG)]).toEqual([false, false]);
  });

  test("registers in the form that the gateway's page shows", async () => {
    await using gateway = await startGateway({ downloads: [dirname(binary("rexec-agent"))] });
    const page = await (await fetch(gateway.url)).text();
    const [, form = ""] = /REXEC_TOKEN=rexec_join_… (sudo [^<]*) sh</.exec(page) ?? [];
    expect(readFileSync(join(import.meta.dir, "../../README.md"), "utf8")).toContain(
      `rexec_join_… ${form} bash`,
    );
    const { err, code } = await piped(gateway.url, `${form} -n`, { REXEC_TOKEN: gateway.token });
    expect([err, code]).toEqual(["", 0]);
    const { json } = await gateway.api("GET", "/api/agents");
    expect(json).toHaveLength(1);
    expect(existsSync(join(places.REXEC_BIN_DIR, "rexec-agent"))).toBe(true);
  }, 60_000);

  test("without any token installs and says how to register, as ever", async () => {
    await using gateway = await startGateway({ downloads: [dirname(binary("rexec-agent"))] });
    Bun.spawnSync(["sudo", "-n", "rm", "-rf", places.REXEC_BIN_DIR, places.REXEC_CONFIG]);
    const { out, code } = await piped(gateway.url, "sudo -n", {});
    expect(code).toBe(0);
    expect(out).toMatch(/next: .*register --host/);
  }, 60_000);
});

/** Why sudo cannot be used here without asking, or null. */
function whyNoSudo(): string | null {
  const why = lacks("sudo");
  if (why !== null) return why;
  const asked = Bun.spawnSync(["sudo", "-n", "REXEC_TRIED=1", "true"], {
    stdout: "ignore",
    stderr: "ignore",
  });
  return asked.exitCode === 0 ? null : "sudo asks for a password here, or allows no variables";
}
