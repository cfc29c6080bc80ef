import { accountsOf } from "../client/accounts.ts";
import { type Credentials, chooseHost, hostKey, knownLogin, saveCurrent } from "../client/credentials.ts";
import { renderTable } from "../client/table.ts";
import { ExitCode, RexecError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "./_cli.ts";
import { credentialsPath, loadCredentials } from "./_server.ts";

export const useCommand = withHelp(
  defineCommand({
    meta: { name: "use", description: "Choose among the servers that you are logged in at" },
    args: {
      server: {
        type: "positional",
        required: false,
        valueHint: "HOST",
        description:
          "Its address, its name, or the beginning of its name; of several accounts there USER@NAME (default: list them)",
      },
      json: { type: "boolean", description: "List them as a JSON array" },
    },
    async run({ args }) {
      const file = loadCredentials();
      if (args.server === undefined) return list(file, args.json === true);
      const chosen = knownLogin(args.server, file);
      if (chosen === null) throw unknown(args.server, file);
      saveCurrent(credentialsPath(), chosen.host, chosen.username);
      say(`using ${chosen.host}${chosen.username === null ? "" : ` as ${chosen.username}`}`);
      const { REXEC_HOST, REXEC_API, REXEC_TOKEN } = process.env;
      if (REXEC_HOST || REXEC_API)
        say(`note: ${REXEC_HOST ? "REXEC_HOST" : "REXEC_API"} is set and counts before it`);
      if (REXEC_TOKEN) say("note: REXEC_TOKEN is set and counts before the stored token");
    },
  }),
  {
    examples: [
      ["rexec use", "List the servers; * is the one that commands talk to"],
      ["rexec use staging", "From now on that one"],
      ["rexec use bob@staging", "Another account of yours there"],
      ["rexec ls --host staging", "Another one for one command"],
    ],
    notes: ["rexec login adds a server and makes it the current one, rexec logout forgets one."],
  },
);

// --- internal ---

async function list(file: Credentials, json: boolean): Promise<void> {
  const current = hostKey(chooseHost({}, file, process.env));
  const servers = Object.entries(file.hosts).flatMap(([host, entry]) =>
    accountsOf(entry).map(({ username, isCurrent }) => ({
      host,
      username,
      current: isCurrent && host === current,
    })),
  );
  if (json) return writeJson(servers);
  if (servers.length === 0) return say("not logged in anywhere: run rexec login --host URL");
  const rows = servers.map((one) => [
    one.current ? "*" : "",
    printable(one.host),
    printable(one.username ?? ""),
  ]);
  await writeOut(
    `${renderTable([{ title: "" }, { title: "HOST" }, { title: "USER" }], rows, Number.POSITIVE_INFINITY)}\n`,
  );
}

function unknown(text: string, file: Credentials): RexecError {
  const hosts = Object.keys(file.hosts);
  const where =
    hosts.length === 0 ? "you are logged in nowhere" : `you are logged in at: ${hosts.join(", ")}`;
  return new RexecError(`no server is clearly meant by "${text}": ${where}`, {
    code: "not_logged_in",
    hint: "give more of its name, or run: rexec login --host URL",
    exitCode: ExitCode.notSetUp,
  });
}
