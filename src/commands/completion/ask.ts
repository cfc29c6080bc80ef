/** What the completion scripts ask while a person types: names that only a server knows. */
import { homedir } from "node:os";
import { join } from "node:path";
import type { ArgsDef } from "citty";
import { listAgents } from "../../client/api.ts";
import { hostKey, readCredentials, requireLogin, type ServerChoice } from "../../client/credentials.ts";
import { listJoins, listPending } from "../../client/joins.ts";
import { remembered } from "../../client/remembered.ts";
import { pickAgent } from "../../client/resolve.ts";
import { listSessions } from "../../client/sessions.ts";
import { printable } from "../../lib/printable.ts";
import { BUILTIN_ARGS, readItem } from "../_arguments.ts";
import { type CommandData, defineCommand, withHelp, writeOut } from "../_cli.ts";
import { credentialsPath } from "../_server.ts";
import { argsOf, type CommandPath, findChild, isParent } from "../_tree.ts";

/** The longest wait for an answer. */
const LIMIT_MS = 1_500;
const MOST_NAMES = 500;

export const completeCommand = withHelp(
  defineCommand({
    meta: { name: "complete", description: "Print names for a completion script", hidden: true },
    args: {
      what: { type: "positional", required: true, valueHint: "machine|session|tag|server|waiting|join" },
    },
    async run({ args, data }) {
      const { rest, program }: CommandData = data;
      // A person is typing: whatever goes wrong, nothing is said.
      const names = await Promise.race([ask(args.what, rest, program), Bun.sleep(LIMIT_MS)]).catch(() => []);
      await writeOut(
        (names ?? [])
          .filter(isTypable)
          .slice(0, MOST_NAMES)
          .map((name) => `${name}\n`)
          .join(""),
      );
    },
  }),
  { rest: "WORD…" },
);

// --- internal ---

async function ask(what: string, words: readonly string[], program: CommandPath): Promise<string[]> {
  const { choice, positionals } = await read(words, program);
  const file = readCredentials(credentialsPath());
  if (what === "server") return Object.keys(file.hosts).map(nameOf);
  const server = requireLogin(choice, file, process.env);
  const signal = AbortSignal.timeout(LIMIT_MS);
  const key = (more: string) =>
    Bun.hash([server.endpoint.base.href, server.token, what, more].join("\n")).toString(36);
  if (what === "session") {
    const [machine = ""] = positionals;
    return remembered(cachePath(), key(machine), Date.now(), async () => {
      const agent = pickAgent(machine, await listAgents(server, signal));
      return (await listSessions(server, agent.id, signal)).map(({ session }) => session);
    });
  }
  if (what === "waiting") return (await listPending(server, signal)).map(({ name }) => name).sort();
  if (what === "join") {
    const joins = await listJoins(server, signal);
    return joins.flatMap(({ state, token_prefix }) =>
      state === "valid" && token_prefix ? [token_prefix] : [],
    );
  }
  return remembered(cachePath(), key(""), Date.now(), async () => {
    const agents = await listAgents(server, signal);
    const names = what === "tag" ? agents.flatMap(({ tags }) => tags ?? []) : agents.map(({ name }) => name);
    return [...new Set(names)].sort();
  });
}

/** Which server is meant by what was typed so far, and the words that are no options. */
async function read(
  words: readonly string[],
  program: CommandPath,
): Promise<{ choice: ServerChoice; positionals: string[] }> {
  let { command } = program;
  const choice: ServerChoice = {};
  const positionals: string[] = [];
  for (let index = 0; index < words.length; ) {
    const { items, next } = readLeniently({ ...BUILTIN_ARGS, ...(await argsOf(command)) }, words, index);
    for (const item of items) {
      if (item.kind === "word") {
        const child = (await isParent(command)) ? await findChild(command, item.word) : undefined;
        if (child) command = child.command;
        else positionals.push(item.word);
      } else if (item.name === "host" && typeof item.value === "string") choice.host = item.value;
      else if (item.name === "caFile" && typeof item.value === "string") choice.caFile = item.value;
      else if (item.name === "insecure" && item.value === true) choice.insecure = true;
    }
    index = next;
  }
  return { choice, positionals };
}

/** The last option has no value yet. */
function readLeniently(args: ArgsDef, words: readonly string[], index: number): ReturnType<typeof readItem> {
  try {
    return readItem(args, words, index);
  } catch {
    return { items: [], next: index + 1 };
  }
}

function cachePath(): string | null {
  const { HOME, XDG_CACHE_HOME } = process.env;
  const home = HOME || homedir();
  const folder = XDG_CACHE_HOME?.startsWith("/") ? XDG_CACHE_HOME : home ? join(home, ".cache") : null;
  return folder === null ? null : join(folder, "rexec", "names.json");
}

/** As `rexec use` and `--host` take it. */
function nameOf(host: string): string {
  return URL.canParse(host) ? new URL(hostKey(host)).host : host;
}

/** Shells are told nothing that they would have to be careful with: a server chooses these names. */
function isTypable(name: string): boolean {
  return /^[\p{L}\p{N}_.@:+,/=%][\p{L}\p{M}\p{N}_.@:+,/=% -]{0,200}$/u.test(name) && printable(name) === name;
}
