/** `rexec serve status`: how the gateway's service is. */
import * as z from "zod/mini";
import { logsOf, unitProperty, unitState } from "../../gateway/service/install.ts";
import { SERVICE_UNIT, SOCKET_UNIT } from "../../gateway/service/spec.ts";
import { ExitCode, messageOf } from "../../lib/errors.ts";
import { defineCommand, withHelp, writeJson, writeOut } from "../_cli.ts";
import { scopeArgs, serviceTools } from "./_service.ts";

/** How long the gateway may take to answer, ms. */
const ANSWER_MS = 5_000;

export const serveStatusCommand = withHelp(
  defineCommand({
    meta: { name: "status", description: "Show how the gateway's service is" },
    args: { ...scopeArgs, json: { type: "boolean", description: "JSON" } },
    async run({ args }) {
      const tools = serviceTools(args.user === true);
      const { place, scope } = tools;
      const [service, socket] = [await unitState(SERVICE_UNIT, tools), await unitState(SOCKET_UNIT, tools)];
      const listens = await unitProperty(SOCKET_UNIT, "Listen", tools);
      const pid = Number(await unitProperty(SERVICE_UNIT, "MainPID", tools)) || null;
      const since = (await unitProperty(SERVICE_UNIT, "ActiveEnterTimestamp", tools)) || null;
      const restarts = Number(await unitProperty(SERVICE_UNIT, "NRestarts", tools)) || 0;
      const found = service === "active" ? await answerAt(listens) : null;
      const isWell = found !== null && "version" in found;
      if (args.json) {
        await writeJson({
          service,
          socket,
          pid,
          since,
          restarts,
          url: found?.url ?? null,
          ...found,
          config: place.config,
          scope,
        });
      } else {
        await writeOut(
          [
            `service  ${service}${pid ? `, pid ${pid}, since ${since}` : ""}${restarts ? `, ${restarts} restarts` : ""}`,
            `socket   ${socket}${listens ? `, ${listens}` : ""}`,
            ...(found === null
              ? []
              : [`gateway  ${"version" in found ? `${found.url}, version ${found.version}` : found.error}`]),
            `config   ${place.config}`,
            `logs     ${logsOf(tools)}`,
            "",
          ].join("\n"),
        );
      }
      return isWell ? ExitCode.ok : ExitCode.notSetUp;
    },
  }),
  {
    examples: [["rexec serve status --json", "For a script; exit code 0 means that it runs and answers"]],
    exitCodes: { [ExitCode.notSetUp]: "it is not installed, does not run, or does not answer" },
  },
);

// --- internal ---

const healthBody = z.object({ version: z.string().check(z.maxLength(100)) });

type Answer = { url: string; version: string } | { url: string; error: string };

/**
 * The configuration says whether it is https, but not every account may read it: so both are tried.
 * @param listens of systemd: `[::]:443 (Stream)`
 */
async function answerAt(listens: string): Promise<Answer | null> {
  const [, host = "", port = ""] = /^(.*):(\d+) \(Stream\)/.exec(listens) ?? [];
  if (port === "") return null;
  const near = host === "0.0.0.0" || host === "[::]" ? "127.0.0.1" : host;
  const [plain, secure] = await Promise.all(
    ["http", "https"].map((scheme) => ask(`${scheme}://${near}:${port}`)),
  );
  return [plain, secure].find((answer) => answer && "version" in answer) ?? plain ?? null;
}

async function ask(url: string): Promise<Answer> {
  try {
    // Its certificate is for another name than this address.
    const tls = { rejectUnauthorized: false };
    const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(ANSWER_MS), tls, proxy: "" });
    return { url, ...healthBody.parse(await answer.json()) };
  } catch (error) {
    return { url, error: `${url} does not answer: ${messageOf(error)}` };
  }
}
