/** `rexec serve install`: the gateway as a service of systemd. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { currentAccount } from "../../agent/machine/child-env.ts";
import { ensureLinger } from "../../agent/service/linger.ts";
import { loadConfig, type ServeConfig } from "../../gateway/config/load.ts";
import { givenAsYaml } from "../../gateway/config/print.ts";
import { optionOf } from "../../gateway/config/setting.ts";
import { SETTINGS } from "../../gateway/config/settings.ts";
import { installGateway, logsOf, type ServiceTools } from "../../gateway/service/install.ts";
import { resolveGatewayService } from "../../gateway/service/resolve.ts";
import { STATE_FOLDER } from "../../gateway/service/spec.ts";
import { serviceUnit, socketUnit } from "../../gateway/service/units.ts";
import { RexecError, UsageError } from "../../lib/errors.ts";
import { homeFolder } from "../../lib/home.ts";
import { readText, writeIfOther } from "../../lib/service/files.ts";
import { defineCommand, say, withHelp, writeOut } from "../_cli.ts";
import { optionsOf, settingArgs } from "../_serve-config.ts";
import { assertScope, scopeArgs, serviceTools } from "./_service.ts";

export const serveInstallCommand = withHelp(
  defineCommand({
    meta: {
      name: "install",
      description: "Install the gateway as a service: at every boot, and again after a crash",
    },
    args: {
      ...scopeArgs,
      "dry-run": { type: "boolean", description: "Print the units, and change nothing" },
      ...settingArgs,
    },
    async run({ args }) {
      const isUser = args.user === true;
      const tools = serviceTools(isUser, !args["dry-run"]);
      const { place, scope } = tools;
      if (!args["dry-run"]) assertScope(isUser, "install");
      const text = fileText(place.config, args, isUser);
      const config = configIn(text, place.config);
      const facts = { executable: ownExecutable(), config: place.config, scope, place };
      const spec = resolveGatewayService(config, { ...facts, systemdVersion: await versionOf(tools) });
      if (args["dry-run"]) {
        await writeOut(
          `# ${place.config}\n${text}\n# ${place.socket}\n${socketUnit(spec)}\n# ${place.service}\n${serviceUnit(spec)}`,
        );
        return;
      }
      if (writeIfOther(place.config, text, isUser ? 0o600 : 0o640)) say(`wrote ${place.config}`);
      const done = await installGateway(spec, tools);
      if (done === "unchanged") say(`nothing to do: the service runs, as ${place.service} says`);
      else say(`${done} the service`);
      if (isUser) {
        const line = await ensureLinger(tools.run, currentAccount().name, "the gateway");
        if (line !== null) say(line);
      }
      tellAddress(config, spec.listen.host, spec.listen.port);
      for (const name of ["login-link", "admin-token"]) {
        const file = join(spec.data, name);
        if (existsSync(file))
          say(`${name === "login-link" ? "sign-in link" : "administrator's token"}: ${file}`);
      }
      say(`see: rexec serve status${isUser ? " --user" : ""}; ${logsOf(tools)}`);
    },
  }),
  {
    examples: [
      [
        "sudo rexec serve install --public-url https://rexec.example.com --trust-proxy loopback",
        "Behind a proxy",
      ],
      [
        "sudo rexec serve install --host 0.0.0.0 --port 443 --tls-cert /etc/rexec/cert.pem --tls-key /etc/rexec/key.pem",
        "For a network",
      ],
      ["rexec serve install --user", "For your own account, without root"],
      [
        "sudo rexec serve install",
        "After an upgrade, or a change of the file: restarts it, and refuses no connection",
      ],
    ],
    notes: [
      "The first time it writes the options into /etc/rexec/serve.yaml (--user: ~/.rexec/serve.yaml); later, edit that file. " +
        "Nothing else is read: secrets may also stand as variables in serve.env beside it.",
      "The system's service runs as the account rexec, which sees nothing of the machine but its data in /var/lib/rexec and " +
        "the files that the configuration names.",
    ],
  },
);

// --- internal ---

/** What the service's file says, or is to say. @throws UsageError for options beside a file that is there */
function fileText(path: string, args: Readonly<Record<string, unknown>>, isUser: boolean): string {
  const options = optionsOf(args);
  const secret = Object.values(SETTINGS).find(
    (each) => each.isSecret && options[optionOf(each)] !== undefined,
  );
  if (secret)
    throw new UsageError(`--${optionOf(secret)} is not for install`, `set ${secret.key}_file in ${path}`);
  const there = readText(path);
  if (there !== null) {
    const [name] = Object.keys(options);
    if (name !== undefined) {
      throw new UsageError(
        `--${name} is not for a service that has its file`,
        `set it in ${path}, then install again`,
      );
    }
    const config = configIn(there, path);
    if (isUser || config.from(SETTINGS.data) !== null) return there;
    return `${there.replace(/\n?$/, "\n")}data: ${STATE_FOLDER}\n`;
  }
  if (existsSync(path)) throw new RexecError(`cannot read ${path}`, { code: "bad_config" });
  const data = isUser || options.data !== undefined ? {} : { data: STATE_FOLDER };
  const env = { HOME: homeFolder(process.env) };
  return givenAsYaml(loadConfig({ options: { ...data, ...options }, env, cwd: process.cwd() }), SETTINGS);
}

/** As the service will read it: without this environment. */
function configIn(text: string, path: string): ServeConfig {
  return loadConfig({ options: {}, env: { HOME: homeFolder(process.env) }, file: path, text, cwd: "/" });
}

function ownExecutable(): string {
  if (Bun.isStandaloneExecutable) return process.execPath;
  throw new RexecError("only a built executable can be a service, not the sources", {
    code: "from_source",
    hint: "build it (bun run build:native) and run dist/rexec-linux-…",
  });
}

async function versionOf({ run }: ServiceTools): Promise<number> {
  return Number(/^systemd (\d+)/.exec((await run(["systemctl", "--version"])).out)?.[1] ?? 252);
}

function tellAddress(config: ServeConfig, host: string, port: number): void {
  const scheme = config.get(SETTINGS.tlsCert) === undefined ? "http" : "https";
  const shown = host.includes(":") ? `[${host}]` : host;
  say(`it listens on ${scheme}://${shown}:${port}${reached(config)}`);
}

function reached(config: ServeConfig): string {
  const url = config.get(SETTINGS.publicUrl);
  return url === undefined ? "" : `, reached as ${url}`;
}
