/** `rexec serve`: the self-hosted gateway. */

import { networkInterfaces } from "node:os";
import { dirname, join, resolve } from "node:path";
import { keepAdminToken } from "../gateway/admin-token-file.ts";
import { createGateway, type Gateway, newAdminToken } from "../gateway/gateway.ts";
import { QUOTAS } from "../gateway/quotas.ts";
import { bucketKeys } from "../gateway/recordings/bucket.ts";
import { backUp } from "../gateway/store/backup.ts";
import { RexecError, UsageError } from "../lib/errors.ts";
import { homeFolder } from "../lib/home.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { isLoopback } from "../lib/proxy.ts";
import { VERSION } from "../lib/version.ts";
import { raiseOpenFiles } from "../pty/open-files.ts";
import { announce, defineCommand, repeatable, say, withHelp, writeOut } from "./_cli.ts";
import { surviveFaults } from "./_faults.ts";
import {
  parseBytes,
  parseCount,
  parseForgetting,
  parseLiveness,
  parseOrigin,
  parsePort,
  parseProxies,
  parsePublicUrl,
  parseTls,
} from "./_serve-options.ts";
import { greeting, welcome, welcomeWithFile } from "./_welcome.ts";

const DEFAULT_PORT = "8080";
const MAX_QUOTA = 1_000_000;

export const serveCommand = withHelp(
  defineCommand({
    meta: { name: "serve", description: "Host a gateway: agents dial in, people reach them through it" },
    args: {
      host: {
        type: "string",
        valueHint: "ADDRESS",
        default: "127.0.0.1",
        description: "Address to listen on; 0.0.0.0 for all of this machine's",
      },
      port: { type: "string", valueHint: "PORT", default: DEFAULT_PORT, description: "0 for any free one" },
      data: {
        type: "string",
        valueHint: "DIR",
        description: "Folder of the database (default ~/.rexec/gateway)",
      },
      "public-url": {
        type: "string",
        valueHint: "URL",
        description: "How agents and people reach this gateway, if not as they already did (behind a proxy)",
      },
      "tls-cert": { type: "string", valueHint: "FILE", description: "Certificate chain (PEM): serve https" },
      "tls-key": { type: "string", valueHint: "FILE", description: "Its private key (PEM)" },
      downloads: {
        type: "string",
        valueHint: "DIR",
        description: "Folder of the agent's executables (default: beside this program, or ./dist)",
      },
      "allow-origin": repeatable({
        type: "string",
        valueHint: "ORIGIN",
        description: "Web pages of that origin may open terminals too; may be repeated",
      }),
      "trust-proxy": repeatable({
        type: "string",
        valueHint: "ADDRESS",
        description:
          "Use X-Forwarded-For, -Proto and -Host of a proxy at that address or network; loopback, private; may be repeated",
      }),
      "ring-budget": {
        type: "string",
        valueHint: "MIB",
        default: "256",
        description: "Memory for the output of all sessions that are looked at, MiB",
      },
      scrollback: {
        type: "string",
        valueHint: "LINES",
        default: "1000",
        description: "Lines above the screen that a new viewer gets",
      },
      recordings: {
        type: "string",
        valueHint: "PLACE",
        description: "Folder of recordings, or s3://BUCKET/PREFIX (default: DATA/recordings)",
      },
      "recordings-days": {
        type: "string",
        valueHint: "N",
        default: "0",
        description: "Remove recordings after so many days; 0 for never",
      },
      "recordings-bytes": {
        type: "string",
        valueHint: "SIZE",
        default: "0",
        description: "Remove the oldest recordings beyond so much, such as 10G; 0 for never",
      },
      "max-agents": {
        type: "string",
        valueHint: "N",
        default: String(QUOTAS.agents),
        description: "Agents that one user may register",
      },
      "max-tokens": {
        type: "string",
        valueHint: "N",
        default: String(QUOTAS.tokens),
        description: "Valid API tokens that one user may have, beside those of agents",
      },
      "max-viewers": {
        type: "string",
        valueHint: "N",
        default: String(QUOTAS.viewers),
        description: "Viewers that one user may have connected, of all agents together",
      },
      "max-sessions": {
        type: "string",
        valueHint: "N",
        default: String(QUOTAS.sessions),
        description: "Sessions that one user may have running, on all connected agents together",
      },
      "ping-interval": {
        type: "string",
        valueHint: "TIME",
        default: "3s",
        description: "Agents and viewers that are silent for this long are asked for a sign of life",
      },
      "dead-after": {
        type: "string",
        valueHint: "TIME",
        default: "8s",
        description: "They are given up after this long without one",
      },
      "forget-ephemeral": {
        type: "string",
        valueHint: "TIME",
        default: "10m",
        description: "Forget agents of CI jobs (start --ephemeral) that left without a word after so long",
      },
      "v1-only": {
        type: "boolean",
        default: false,
        description: "Speak rexec.v1 with everybody: to compare, or to rule rexec.v2 out",
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
    async run({ args }) {
      const dataDir = resolve(args.data || join(homeFolder(process.env), ".rexec", "gateway"));
      if (args["new-admin-token"]) {
        await writeOut(`${await newAdminToken(dataDir)}\n`);
        return 0;
      }
      if (args.backup !== undefined) return writeBackup(dataDir, args.backup);
      raiseOpenFiles();
      const logger = createLogger(process.env.REXEC_LOG);
      const gateway = await createGateway({
        host: args.host,
        port: parsePort(args.port),
        dataDir,
        publicUrl: parsePublicUrl(args["public-url"]),
        tls: parseTls(args["tls-cert"], args["tls-key"]),
        downloads: downloadFolders(args.downloads),
        allowOrigins: (args["allow-origin"] ?? "").split(",").filter(Boolean).map(parseOrigin),
        trustProxy: parseProxies(args["trust-proxy"]),
        ringBudget: parseCount("ring-budget", args["ring-budget"], 4, 1024 * 1024) * 1024 * 1024,
        scrollback: parseCount("scrollback", args.scrollback, 0, 100_000),
        recordings: args.recordings,
        bucketKeys: bucketKeys(process.env),
        recordingsDays: parseCount("recordings-days", args["recordings-days"], 0, 36_500),
        recordingsBytes: parseBytes("recordings-bytes", args["recordings-bytes"]),
        quotas: {
          agents: parseCount("max-agents", args["max-agents"], 1, MAX_QUOTA),
          tokens: parseCount("max-tokens", args["max-tokens"], 1, MAX_QUOTA),
          viewers: parseCount("max-viewers", args["max-viewers"], 1, MAX_QUOTA),
          sessions: parseCount("max-sessions", args["max-sessions"], 1, MAX_QUOTA),
        },
        v1Only: args["v1-only"],
        timings: {
          ...parseLiveness(args["ping-interval"], args["dead-after"]),
          ephemeralMs: parseForgetting(args["forget-ephemeral"]),
        },
        logger,
      });
      surviveFaults(logger);
      const signal = nextSignal();
      const shared = sharedUrl(gateway, args.host, Boolean(args["public-url"]));
      logger.info(`rexec ${VERSION} listens on ${gateway.url}, data in ${dataDir}`);
      if (!gateway.downloads) {
        logger.warn(
          "no agent executables to hand out (bun run build makes them, --downloads names their folder)",
        );
      }
      if (
        !args["tls-cert"] &&
        !isLoopback(args.host.toLowerCase()) &&
        !gateway.publicUrl.startsWith("https:")
      ) {
        logger.warn(
          `listening on ${args.host} without TLS: tokens and keystrokes can be read on the way. Give --tls-cert and --tls-key, or put a TLS proxy in front and name it with --public-url`,
        );
      }
      announce(firstWords(shared, gateway.adminToken, dataDir, logger));
      const name = await signal;
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
        "To put it back: stop the gateway, copy it over gateway.db, remove gateway.db-wal and gateway.db-shm",
      ],
    ],
    notes: [
      "The first start makes an administrator. Their token is printed once, to a terminal; else (a service, a pipe) it is put " +
        "into the file admin-token of the data folder, mode 0600.",
      "REXEC_LOG is debug, info (default), warn, error or silent. SIGINT or SIGTERM stops it; a second one at once.",
    ],
  },
);

// --- internal ---

async function writeBackup(dataDir: string, given: string): Promise<number> {
  if (!given) throw new UsageError("--backup wants a file", "rexec serve --backup /var/backups/rexec.db");
  const file = resolve(given);
  const bytes = await backUp(dataDir, file);
  say(`${file} holds all that ${join(dataDir, "gateway.db")} did (${Math.ceil(bytes / 1024)} KiB)`);
  return 0;
}

/** The first SIGINT or SIGTERM; the second one ends the process on the spot. */
function nextSignal(): Promise<NodeJS.Signals> {
  const { promise, resolve: stop } = Promise.withResolvers<NodeJS.Signals>();
  let asked = false;
  const take = (name: NodeJS.Signals, number: number) => {
    if (asked) process.exit(128 + number);
    asked = true;
    stop(name);
  };
  process.on("SIGINT", () => take("SIGINT", 2));
  process.on("SIGTERM", () => take("SIGTERM", 15));
  return promise;
}

/** A token is shown to a terminal alone: what a service prints is kept in a journal. */
function firstWords(url: string, token: string | null, dataDir: string, logger: Logger): string {
  if (token === null) return greeting(url);
  if (process.stdout.isTTY) return welcome(url, token);
  try {
    return welcomeWithFile(url, keepAdminToken(dataDir, token));
  } catch (error) {
    if (!(error instanceof RexecError)) throw error;
    logger.error(error.hint ? `${error.message}. ${error.hint}` : error.message);
    return greeting(url);
  }
}

/** The address to tell others: of a gateway on all addresses, the first that a network can reach. */
function sharedUrl(gateway: Gateway, host: string, named: boolean): string {
  if (named || !["0.0.0.0", "::", ""].includes(host)) return gateway.publicUrl;
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const outside = addresses.find(({ internal, family }) => !internal && family === "IPv4");
  const url = new URL(gateway.url);
  if (outside) url.hostname = outside.address;
  return url.origin;
}

/** In dist/, the executables lie beside each other. */
function downloadFolders(given: string | undefined): string[] {
  if (given) return [checkFolder(given)];
  const here = dirname(process.execPath);
  return [here, join(here, "dist"), resolve("dist")];
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
