import type { ServerChoice } from "../../client/credentials.ts";
import { listPolicies, removeAgentPolicy, removePolicy, setPolicy } from "../../client/recordings/api.ts";
import { LONGEST_CELL } from "../../client/table.ts";
import { RexecError, UsageError } from "../../lib/errors.ts";
import { printable } from "../../lib/printable.ts";
import { defineCommand, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { stdoutTable } from "../_table.ts";
import { findAwaitedAgent, waitArgs, waitOf } from "../_wait.ts";

const MODES = ["always", "never", "request", "unset"];

export const recordingsPolicyCommand = withHelp(
  defineCommand({
    meta: { name: "policy", description: "Say which sessions are recorded, or list it" },
    args: {
      mode: {
        type: "positional",
        required: false,
        valueHint: "always|never|request|unset",
        description: "What holds for them (default: list all policies)",
      },
      agent: { type: "string", valueHint: "NAME|ID", description: "Sessions of this machine" },
      tag: { type: "string", valueHint: "TAG", description: "Sessions of machines with this tag" },
      user: { type: "string", valueHint: "NAME", description: "Sessions that this user joins" },
      all: { type: "boolean", description: "All sessions" },
      input: {
        type: "boolean",
        description: "Record what is typed too, passwords included (default: output only)",
      },
      json: { type: "boolean", description: "The list as a JSON array" },
      ...waitArgs,
      ...serverArgs,
    },
    async run({ args }) {
      if (args.mode === undefined) return list(args);
      if (!MODES.includes(args.mode))
        throw new UsageError(`a policy cannot be "${args.mode}"`, `it is one of: ${MODES.join(", ")}`);
      const over = await overOf(args);
      const server = currentServer(args);
      if (args.mode === "unset") await unset(args, over);
      else await setPolicy(server, over, { mode: args.mode, input: args.input === true });
      say(args.mode === "unset" ? `no policy about ${over.shown} any more` : `${over.shown}: ${args.mode}`);
    },
  }),
  {
    examples: [
      ["rexec recordings policy", "What holds now"],
      ["rexec recordings policy --tag prod always", "Every session on those machines"],
      ["rexec recordings policy --agent laptop never", "None there, on request neither"],
      ["rexec recordings policy --user ada unset", "Take back what was said about a user"],
    ],
    notes: [
      "Where several policies are about a session, the strictest counts: always, then never, then request. Without any it is request: connect --record and recordings start record a session. Viewers are told.",
      "All but --agent is for administrators. --agent needs the right to manage that machine.",
    ],
  },
);

// --- internal ---

interface Given extends ServerChoice {
  agent?: string | undefined;
  tag?: string | undefined;
  user?: string | undefined;
  all?: boolean | undefined;
  json?: boolean | undefined;
}

interface Over {
  kind: "all" | "agent" | "tag" | "user";
  target: string;
  shown: string;
}

async function overOf(args: Given & Parameters<typeof waitOf>[0]): Promise<Over> {
  const named = [args.agent, args.tag, args.user, args.all || undefined].filter((one) => one !== undefined);
  if (named.length !== 1)
    throw new UsageError("a policy is about one thing", "give one of --agent, --tag, --user and --all");
  if (args.agent !== undefined) {
    const { agent } = await findAwaitedAgent(args, args.agent, waitOf(args));
    return { kind: "agent", target: agent.id, shown: `sessions on ${printable(agent.name, 100)}` };
  }
  if (args.tag !== undefined) {
    return {
      kind: "tag",
      target: args.tag,
      shown: `sessions of machines tagged ${printable(args.tag, 100)}`,
    };
  }
  if (args.user !== undefined) {
    return { kind: "user", target: args.user, shown: `sessions that ${printable(args.user, 100)} joins` };
  }
  return { kind: "all", target: "", shown: "all sessions" };
}

async function unset(args: Given, over: Over): Promise<void> {
  const server = currentServer(args);
  if (over.kind === "agent") {
    await removeAgentPolicy(server, over.target);
    return;
  }
  const found = (await listPolicies(server)).find(
    ({ kind, target, name }) => kind === over.kind && (target === over.target || name === over.target),
  );
  if (!found) throw new RexecError(`there is no policy about ${over.shown}`, { code: "unknown_policy" });
  await removePolicy(server, found.id);
}

async function list(args: Given): Promise<void> {
  const policies = await listPolicies(currentServer(args));
  if (args.json) return writeJson(policies);
  if (policies.length === 0) return say("no policies: sessions are recorded on request only");
  const rows = policies.map(({ kind, name, target, mode, input }) => [
    printable(kind === "all" ? "all sessions" : `${kind} ${name ?? target}`, LONGEST_CELL),
    printable(mode),
    input ? "output and input" : "output",
  ]);
  const columns = [{ title: "ABOUT", shrink: { min: 10 } }, { title: "RECORDED" }, { title: "WHAT" }];
  return writeOut(`${stdoutTable(columns, rows)}\n`);
}
