import { createJoin } from "../../client/joins.ts";
import { counted } from "../../lib/count.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { type InstallLines, insecureWords, installLines } from "../../lib/install-lines.ts";
import { printable } from "../../lib/printable.ts";
import { quoteWord } from "../../lib/quote.ts";
import { type CreatedJoin, MAX_JOIN_SECONDS, MAX_JOIN_USES } from "../../protocol/http-joins.ts";
import { LENGTHS } from "../../protocol/values.ts";
import { defineCommand, repeatable, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { tagsOf } from "../agent/_description.ts";

export const joinCreateCommand = withHelp(
  defineCommand({
    meta: { name: "create", description: "Make a join token, and print the lines to paste" },
    args: {
      tags: repeatable({
        type: "string",
        alias: "t",
        valueHint: "A,B,…",
        description: "Tags that its machines get; they can give themselves no others",
      }),
      expires: {
        type: "string",
        valueHint: "TIME",
        default: "1h",
        description: "How long it can be used: 10m, 1h, 30d",
      },
      uses: {
        type: "string",
        valueHint: "N",
        default: "1",
        description: "How many machines it registers, or unlimited",
      },
      name: {
        type: "string",
        valueHint: "PATTERN",
        description: "Register only machines with such a name: * stands for any characters, ? for one",
      },
      ephemeral: {
        type: "boolean",
        description: "For CI jobs and the like: its machines are forgotten once they stay away",
      },
      approve: {
        type: "boolean",
        description: "Its machines wait until they are accepted (rexec accept)",
      },
      for: { type: "string", valueHint: "TEXT", description: "What it is for, as join ls shows it" },
      json: { type: "boolean", description: "As a JSON object, with the token and the lines" },
      ...serverArgs,
    },
    async run({ args }) {
      const body = {
        tags: tagsOf(args.tags) ?? [],
        expires_in_seconds: secondsOf(args.expires),
        uses: usesOf(args.uses),
        name_pattern: patternOf(args.name),
        ephemeral: args.ephemeral === true,
        approve: args.approve === true,
        description: descriptionOf(args.for),
      };
      const server = currentServer(args);
      const made = await createJoin(server, body);
      const url = urlOf(made, server.endpoint.base);
      const token = printable(made.token);
      const lines = installLines(url, quoteWord(token));
      if (args.json) return writeJson({ ...made, url, commands: lines });
      say(`${factsOf(made)}; keep it now: it is shown this once`);
      await writeOut(`${token}\n\n${instructions({ ...made, token }, url, lines)}`);
    },
  }),
  {
    examples: [
      ["rexec join create", "For one machine, within an hour"],
      ["rexec join create --tags prod,eu --uses 20 --expires 1d --name 'web-*'", "For a fleet"],
      ["rexec join create --uses unlimited --expires 30d --approve", "Each machine waits for rexec accept"],
      [
        "rexec join create --ephemeral --uses unlimited --expires 90d --json | jq -r .token",
        "For a CI system",
      ],
    ],
    notes: [
      "All that such a token can do is to register a machine. The machine gets a token of its own, and keeps no other.",
    ],
  },
);

// --- internal ---

/** @throws UsageError */
function secondsOf(text: string): number {
  const ms = parseDuration(text);
  const seconds = ms === null ? 0 : Math.round(ms / 1_000);
  if (seconds >= 1 && seconds <= MAX_JOIN_SECONDS) return seconds;
  throw new UsageError(`--expires cannot be "${text}"`, "it is a time from 1s to 3650d: 10m, 1h, 30d");
}

/** @throws UsageError */
function usesOf(text: string): number | null {
  if (text === "unlimited") return null;
  const uses = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (uses >= 1 && uses <= MAX_JOIN_USES) return uses;
  throw new UsageError(
    `--uses cannot be "${text}"`,
    `it is a number from 1 to ${MAX_JOIN_USES}, or unlimited`,
  );
}

/** @throws UsageError */
function patternOf(text: string | undefined): string | undefined {
  if (text === undefined || (text.trim() !== "" && text.length <= LENGTHS.name)) return text;
  throw new UsageError(`--name is no pattern of 1 to ${LENGTHS.name} characters`, "such as 'web-*'");
}

/** @throws UsageError */
function descriptionOf(text: string | undefined): string | undefined {
  if (text === undefined || text.length <= LENGTHS.name) return text;
  throw new UsageError(`--for has ${text.length} characters`, `it may have ${LENGTHS.name}`);
}

/** As the gateway says that it is reached, where it says so in a form that can be pasted. */
function urlOf({ url }: CreatedJoin, asked: URL): string {
  const fits = url !== undefined && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol);
  return (fits && printable(url) === url ? url : asked.href).replace(/\/+$/, "");
}

function factsOf({ max_uses, expires_at, tags, name_pattern, approve, ephemeral }: CreatedJoin): string {
  const facts = [
    max_uses === null ? "any number of machines" : counted(max_uses ?? 1, "machine"),
    `until ${expires_at ?? "?"}`,
    tags && tags.length > 0 ? `with the tags ${tags.join(", ")}` : "",
    name_pattern ? `with names like ${name_pattern}` : "",
    ephemeral ? "forgotten once they stay away" : "",
    approve ? "each waits for rexec accept" : "",
  ];
  return printable(`a join token for ${facts.filter(Boolean).join(", ")}`);
}

function instructions({ ephemeral, token }: CreatedJoin, url: string, lines: InstallLines): string {
  const job = `${insecureWords(url)}REXEC_TOKEN=${quoteWord(token)} rexec-agent start --ephemeral --host ${quoteWord(url)}`;
  return `On the machine: install the agent, register it, and start it as a service (as root for the whole machine, or for
your own account):

  ${lines.curl}

Without curl:

  ${lines.wget}

For the whole machine through sudo:

  ${lines.sudo}

Where rexec-agent is there already:

  ${ephemeral ? job : `${lines.register} && rexec-agent start`}
`;
}
