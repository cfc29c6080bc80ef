/** All checks of `rexec admin doctor`: those that do not depend on each other run side by side. */
import { messageOf } from "../../lib/errors.ts";
import { after, type Finding, type Step, skipped, step } from "../../lib/finding.ts";
import { type Endpoint, resolveEndpoint } from "../../lib/net.ts";
import { gatewayOptions } from "../config/gateway-options.ts";
import type { ServeConfig } from "../config/load.ts";
import { DownloadFolder } from "../http/download-folder.ts";
import { knownUrl } from "../known-url.ts";
import { type Data, tryClock, tryDatabase, tryDescriptors, tryFolder, tryRoom } from "./data.ts";
import { tryCertificate, tryPort, tryPublicUrl, tryUpgrade } from "./network.ts";

/** What is examined. */
export interface GatewaySubject {
  /** The settings; or why they cannot be used. */
  config: ServeConfig | Error;
  /** Folders that downloads may come from, the first that has any counts. */
  downloads: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
}

/** All of a database is read, milliseconds. */
const DATABASE_MS = 120_000;

/** Starts every check; they come in the order in which they are to be read, each bounded in time. */
export function examineGateway(subject: GatewaySubject): Promise<Finding>[] {
  const { config } = subject;
  if (config instanceof Error) {
    const settings = step("settings", () => {
      throw config;
    });
    const rest = REST.map((check) => Promise.resolve(skipped(check, "not tried: settings failed")));
    return [settings, ...rest].map(async (made) => (await made).finding);
  }
  const options = gatewayOptions(config);
  const { dataDir, tls, host = "127.0.0.1", port = 8080 } = options;
  const data = step<Data>("data", () => tryFolder(dataDir));
  const pid = async () => (await data).value?.pid ?? null;
  const url = options.publicUrl ?? knownUrl(dataDir);
  const publicUrl = publicStep(url, subject.env, data);
  const checks: Promise<Step<unknown>>[] = [
    step("settings", () => judgeSettings(config)),
    data,
    step("disk", () => tryRoom(dataDir)),
    after(data, "database", tryDatabase, DATABASE_MS),
    tls
      ? step("tls", () => tryCertificate(tls, url))
      : Promise.resolve(
          skipped("tls", "the gateway serves http: a proxy does TLS, or this machine is meant alone"),
        ),
    step("port", async (signal) =>
      tryPort({ host, port, isTls: tls !== undefined }, (await pid()) !== null, signal),
    ),
    publicUrl,
    after(publicUrl, "websockets", tryUpgrade),
    after(data, "clock", (found) => tryClock(found)),
    step("descriptors", async () => tryDescriptors(await pid())),
    step("downloads", () => judgeDownloads(subject.downloads)),
  ];
  return checks.map(async (made) => (await made).finding);
}

// --- internal ---

const REST = [
  "data",
  "disk",
  "database",
  "tls",
  "port",
  "public url",
  "websockets",
  "clock",
  "descriptors",
  "downloads",
];

function judgeSettings(config: ServeConfig) {
  const from = config.file === null ? "no file" : config.file;
  const [warning] = config.warnings;
  if (warning === undefined)
    return { detail: `${from}, options and variables: rexec serve --print-config shows them` };
  return { verdict: "warning" as const, detail: warning };
}

async function publicStep(
  url: string | null,
  env: GatewaySubject["env"],
  data: Promise<Step<Data>>,
): Promise<Step<Endpoint>> {
  if (url === null) return skipped("public url", "not tried: it is not known");
  if (!(await data).value?.pid) return skipped("public url", "not tried: no gateway runs");
  return step("public url", (signal) => {
    const endpoint = resolveEndpoint({ url, insecure: true, caFile: env.REXEC_CA_FILE, env });
    return tryPublicUrl(endpoint, signal);
  });
}

function judgeDownloads(folders: readonly string[]) {
  const hint = "put rexec-agent-linux-amd64 and -arm64 beside rexec, or name their folder with --downloads";
  for (const folder of folders) {
    const downloads = new DownloadFolder(folder);
    const found = ["amd64", "arm64"].filter((arch) => downloads.find({ file: `rexec-agent-linux-${arch}` }));
    if (found.length === 0) continue;
    const version = versionOf(downloads);
    const detail = `${folder}: agents for ${found.join(" and ")}${version}`;
    if (found.length === 2) return { detail };
    return { verdict: "warning" as const, detail: `${detail} alone`, hint };
  }
  return {
    verdict: "warning" as const,
    detail: "there are no agents to hand out: no machine can install one",
    hint,
  };
}

function versionOf(downloads: DownloadFolder): string {
  try {
    const version = downloads.agentVersion();
    return version ? `, version ${version}` : "";
  } catch (error) {
    return ` (${messageOf(error)})`;
  }
}
