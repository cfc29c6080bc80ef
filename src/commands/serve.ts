/** `rexec serve`: the self-hosted gateway. */
import { networkInterfaces } from "node:os";
import { join, resolve } from "node:path";
import { keepAdminToken, keepLoginLink } from "../gateway/admin-token-file.ts";
import { backUp } from "../gateway/backup/database-copy.ts";
import { gatewayOptions } from "../gateway/config/gateway-options.ts";
import type { ServeConfig } from "../gateway/config/load.ts";
import { configAsYaml } from "../gateway/config/print.ts";
import { SETTINGS } from "../gateway/config/settings.ts";
import { loginLinkUrl, newAdminToken } from "../gateway/first-start.ts";
import { createGateway, type Gateway } from "../gateway/gateway.ts";
import { rememberUrl } from "../gateway/known-url.ts";
import { bucketKeys } from "../gateway/recordings/bucket.ts";
import { RexecError, UsageError } from "../lib/errors.ts";
import { isTerminal } from "../lib/is-terminal.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { isLoopback } from "../lib/proxy.ts";
import { VERSION } from "../lib/version.ts";
import { isHungUp } from "../pty/libc.ts";
import { type InheritedSocket, inheritedSocket, keepSocket, listenOn } from "../pty/listening-socket.ts";
import { raiseOpenFiles } from "../pty/open-files.ts";
import { unixDatagram } from "../pty/unix-datagram.ts";
import { announce, defineCommand, say, withHelp, writeOut } from "./_cli.ts";
import { usualDownloads } from "./_downloads.ts";
import { surviveFaults } from "./_faults.ts";
import { serveConfig, serveFileArgs, settingArgs } from "./_serve-config.ts";
import { greeting, welcome, welcomeWithFile } from "./_welcome.ts";
import { superviseGateway } from "./serve/_supervision.ts";

export const serveCommand = withHelp(
  defineCommand({
    meta: { name: "serve", description: "Host a gateway: agents dial in, people reach them through it" },
    args: {
      ...serveFileArgs,
      ...settingArgs,
      "print-config": {
        type: "boolean",
        default: false,
        description: "Print the settings as they apply, as YAML with the source of each, and leave",
      },
      backup: {
        type: "string",
        valueHint: "FILE",
        description:
          "Write a copy of the database in --data to a new FILE, also while a gateway runs, and leave",
      },
      "new-admin-token": {
        type: "boolean",
        default: false,
        description: "Print a new administrator's token for the data in --data, and leave",
      },
    },
    subCommands: {
      install: () => import("./serve/install.ts").then((module) => module.serveInstallCommand),
      uninstall: () => import("./serve/uninstall.ts").then((module) => module.serveUninstallCommand),
      status: () => import("./serve/status.ts").then((module) => module.serveStatusCommand),
    },
    async run({ args }) {
      const config = serveConfig(args);
      const options = gatewayOptions(config);
      const { dataDir } = options;
      if (args["print-config"]) {
        await writeOut(configAsYaml(config, SETTINGS));
        return 0;
      }
      if (args["new-admin-token"]) {
        await writeOut(`${await newAdminToken(dataDir)}\n`);
        return 0;
      }
      if (typeof args.backup === "string") return writeBackup(dataDir, args.backup);
      raiseOpenFiles();
      const logger = loggerOf(config);
      for (const warning of config.warnings) logger.warn(warning);
      const downloads = downloadFolders(config.get(SETTINGS.downloads));
      const inherited = inheritedSocket(process.env) ?? undefined;
      const host = inherited?.host ?? config.get(SETTINGS.host);
      if (inherited) tellOtherAddress(config, inherited, logger);
      const gateway = await createGateway({
        ...options,
        audit: { ...options.audit, datagram: unixDatagram },
        sockets: { listenOn, keepSocket },
        inherited,
        downloads,
        bucketKeys: bucketKeys(process.env),
        logger,
        requestLog: config.get(SETTINGS.logLevel) === "debug" ? logger.debug : undefined,
      });
      surviveFaults(logger);
      const signal = nextSignal(() => gateway.reloadTls());
      const shared = await sharedUrl(gateway, host, options.publicUrl !== undefined);
      logger.info(`rexec ${VERSION} listens on ${gateway.url}, data in ${dataDir}`);
      if (!gateway.downloads) {
        logger.warn(
          "no agent executables to hand out (bun run build makes them, --downloads names their folder)",
        );
      }
      if (!options.tls && !isLoopback(host.toLowerCase()) && !gateway.publicUrl.startsWith("https:")) {
        logger.warn(
          `listening on ${host} without TLS: tokens and keystrokes can be read on the way. Give --tls-cert and --tls-key, or put a TLS proxy in front and name it with --public-url`,
        );
      }
      rememberUrl(dataDir, shared, logger);
      const given = config.from(SETTINGS.data) === null ? null : dataDir;
      const words = firstWords(shared, gateway, { dataDir, given }, logger);
      // A collector of JSON lines gets nothing else.
      if (config.get(SETTINGS.logFormat) === "text" || process.stdout.isTTY) announce(words);
      else for (const line of words.split("\n").filter(Boolean)) logger.info(line.trim());
      const supervision = superviseGateway(process.env);
      supervision.ready(`listening on ${gateway.url}`);
      const name = await signal;
      supervision.stopping();
      logger.info(`${name}: stopping (again to stop at once)`);
      await gateway.stop();
      return 0;
    },
  }),
  {
    examples: [
      ["rexec serve", "On http://127.0.0.1:8080, for this machine"],
      ["rexec serve --host 0.0.0.0 --port 443 --tls-cert cert.pem --tls-key key.pem", "For a network"],
      [
        "rexec serve --public-url https://rexec.example.com --trust-proxy loopback",
        "Behind a proxy on this machine that does TLS",
      ],
      ["rexec serve --new-admin-token", "When the first token is lost"],
      [
        "rexec serve --backup /var/backups/rexec.db",
        "The database alone; rexec admin backup has more, and rexec admin restore reads both",
      ],
    ],
    notes: [
      "The first start makes an administrator. Their token, and a link that signs them in with a browser, are printed once, to a " +
        "terminal; else (a service, a pipe) they are put into the files admin-token and login-link of the data folder, mode 0600. " +
        "rexec admin looks after what is there: users, tokens, backups, the audit log.",
      "Each setting is also a variable, REXEC_SERVE_PUBLIC_URL for --public-url, and a key of the YAML file: options count before " +
        "variables, these before the file. --print-config shows all of them.",
      "REXEC_LOG is debug, info (default), warn, error or silent. SIGINT or SIGTERM stops it; a second one at once.",
      "A renewed certificate is taken over by itself, and at SIGHUP: new connections get it, open ones stay.",
    ],
  },
);

// --- internal ---

function loggerOf(config: ServeConfig): Logger {
  const format = config.get(SETTINGS.logFormat);
  return createLogger(config.get(SETTINGS.logLevel), undefined, undefined, format);
}

async function writeBackup(dataDir: string, given: string): Promise<number> {
  if (!given) throw new UsageError("--backup wants a file", "rexec serve --backup /var/backups/rexec.db");
  const file = resolve(given);
  const bytes = await backUp(dataDir, file);
  say(`${file} holds all that ${join(dataDir, "gateway.db")} did (${Math.ceil(bytes / 1024)} KiB)`);
  return 0;
}

/**
 * The first SIGINT or SIGTERM, or SIGHUP of a terminal that was closed; the second one ends the process on the spot.
 * @param reload for SIGHUP otherwise
 */
function nextSignal(reload: () => void): Promise<NodeJS.Signals> {
  const terminals = [0, 1, 2].filter(isTerminal);
  const { promise, resolve: stop } = Promise.withResolvers<NodeJS.Signals>();
  let asked = false;
  const take = (name: NodeJS.Signals, number: number) => {
    if (asked) process.exit(128 + number);
    asked = true;
    stop(name);
  };
  process.on("SIGINT", () => take("SIGINT", 2));
  process.on("SIGTERM", () => take("SIGTERM", 15));
  process.on("SIGHUP", () => (terminals.some(isHungUp) ? take("SIGHUP", 1) : reload()));
  return promise;
}

/**
 * A token is shown to a terminal alone: what a service prints is kept in a journal.
 * @param data `given` is null for the folder that commands find by themselves
 */
function firstWords(
  url: string,
  gateway: Gateway,
  { dataDir, given }: { dataDir: string; given: string | null },
  logger: Logger,
): string {
  const { adminToken: token, loginLink } = gateway;
  if (token === null || loginLink === null) return greeting(url, given);
  const link = loginLinkUrl(url, loginLink);
  if (process.stdout.isTTY) return welcome(url, token, link, given);
  try {
    return welcomeWithFile(url, keepAdminToken(dataDir, token), keepLoginLink(dataDir, link), given);
  } catch (error) {
    if (!(error instanceof RexecError)) throw error;
    logger.error(error.hint ? `${error.message}. ${error.hint}` : error.message);
    return greeting(url, given);
  }
}

/** The address to tell others: of a gateway on all addresses, the first that a network can reach. */
async function sharedUrl(gateway: Gateway, host: string, named: boolean): Promise<string> {
  if (named || !["0.0.0.0", "::", ""].includes(host)) return gateway.publicUrl;
  const url = new URL(gateway.url);
  url.hostname = (await outsideAddress()) ?? url.hostname;
  return url.origin;
}

/** A changed address takes effect once the socket unit is written anew. */
function tellOtherAddress(config: ServeConfig, { host, port }: InheritedSocket, logger: Logger): void {
  const asked = `${config.get(SETTINGS.host)}:${config.get(SETTINGS.port)}`;
  if (config.from(SETTINGS.port) === null || asked === `${host}:${port}`) return;
  logger.warn(
    `it listens on ${host}:${port}, as the socket unit says, and not on ${asked}, as the configuration does: run rexec serve install`,
  );
}

/** This machine's address as a network sees it; undefined without one. */
async function outsideAddress(): Promise<string | undefined> {
  try {
    const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
    return addresses.find(({ internal, family }) => !internal && family === "IPv4")?.address;
  } catch {
    return wayOut();
  }
}

/**
 * A hardened service has no netlink sockets and cannot list interfaces. A UDP socket that is connected, and sends nothing,
 * has the address of the way to the other end (here one of RFC 5737, that no host has).
 */
async function wayOut(): Promise<string | undefined> {
  try {
    const socket = await Bun.udpSocket({ connect: { hostname: "192.0.2.1", port: 9 } });
    const { address } = socket.address;
    socket.close();
    return address;
  } catch {
    return undefined; // there is no way out
  }
}

function downloadFolders(given: string | undefined): string[] {
  return given ? [checkFolder(given)] : usualDownloads();
}

function checkFolder(given: string): string {
  const folder = resolve(given);
  const found = new Bun.Glob("rexec-agent-*").scanSync({ cwd: folder, onlyFiles: true });
  try {
    if (!found.next().done) return folder;
  } catch {
    // No folder at all.
  }
  throw new RexecError(`there is no rexec-agent executable in ${folder}`, {
    code: "no_downloads",
    hint: "bun run build makes them in dist; or leave --downloads out",
  });
}
