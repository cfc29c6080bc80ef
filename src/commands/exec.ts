import { type ExecOutcome, remoteExec, stdinTooLarge } from "../client/exec.ts";
import { LONGEST_TIMER_MS, parseDuration } from "../lib/duration.ts";
import { UsageError } from "../lib/errors.ts";
import { quoteWords } from "../lib/quote.ts";
import type { Agent } from "../protocol/http.ts";
import { EXEC_STDIN_BYTES } from "../protocol/limits.ts";
import { type CommandData, defineCommand, repeatable, say, withHelp, writeErr, writeOut } from "./_cli.ts";
import { findAgent, serverArgs } from "./_server.ts";
import { wholeStdin } from "./_stdin.ts";

export const execCommand = withHelp(
  defineCommand({
    meta: { name: "exec", description: "Run one command on a machine, and exit as it does" },
    args: {
      agent: {
        type: "positional",
        required: true,
        valueHint: "NAME|ID",
        description: "The machine: its name, its id, or the beginning of one",
      },
      timeout: {
        type: "string",
        valueHint: "TIME",
        description: "Kill it after this long: 30s, 500ms, 5m (a bare number is seconds)",
      },
      cwd: { type: "string", valueHint: "DIR", description: "Working folder there (default: the agent's)" },
      env: repeatable({
        type: "string",
        alias: "e",
        valueHint: "K=V",
        description: "Set a variable for it, or hand on one of ours (K alone); may be repeated",
      }),
      noStdin: {
        type: "boolean",
        alias: "n",
        description: "Send no stdin (as in loops that read a file themselves)",
      },
      json: { type: "boolean", description: "Print the whole result as one JSON object" },
      ...serverArgs,
    },
    async run({ args, data }) {
      const { rest, values }: CommandData = data;
      if (rest.length === 0) {
        throw new UsageError("no command to run", "write it after --: rexec exec NAME -- uname -a");
      }
      const timeoutMs = timeoutOf(args.timeout);
      const env = environmentOf(values.env ?? []);
      const { server, agent } = await findAgent(args, args.agent);
      const stdin = args.noStdin || process.stdin.isTTY ? undefined : await sentStdin();
      const interrupted = new AbortController();
      process.once("SIGINT", () => interrupt(agent));
      const options = { command: quoteWords(rest), timeoutMs, cwd: args.cwd, env, stdin };
      const outcome = await remoteExec(server, agent.id, options, interrupted.signal);
      if (args.json) await writeOut(`${JSON.stringify(jsonOf(outcome, agent), null, 2)}\n`);
      else await print(outcome, rest);
      return outcome.exitCode;
    },
  }),
  {
    rest: "COMMAND [ARG…]",
    examples: [
      ["rexec exec web-1 -- uname -a", "One command; its output and its exit code are ours"],
      ["rexec exec web-1 -- ls --help", "Everything after -- belongs to the remote command"],
      ["rexec exec web-1 -- sh -c 'ps aux | wc -l'", "A pipeline is a shell's business: start one"],
      ["tar c src | rexec exec web-1 --cwd /srv -- tar x", "Stdin is handed on, in whole"],
    ],
    notes: [
      "The words after -- reach the command exactly as your shell hands them to us: spaces, quotes and $ in them are not looked at again.",
      "Stdin is read to its end and sent first, up to 16 MiB; stdout and stderr come back when the command has ended, up to 16 MiB each. There is no terminal: for one, use rexec connect.",
    ],
    exitCodes: {
      "0-255": "the remote command's own",
      "128+n": "the remote command was ended by signal n",
      124: "the time was up",
      1: "failed: also where the connection was lost before the result came",
    },
  },
);

// --- internal ---

function timeoutOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = parseDuration(text);
  if (ms !== null && ms > 0 && ms < LONGEST_TIMER_MS / 2) return ms;
  throw new UsageError(`--timeout cannot be "${text}"`, "give 30s, 500ms, 5m or 2h; at most 12 days");
}

function environmentOf(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(entries.map(variableOf));
}

function variableOf(entry: string): [string, string] {
  const [, name, given] = /^([A-Za-z_]\w*)(?:=([\s\S]*))?$/.exec(entry) ?? [];
  if (!name)
    throw new UsageError(`--env cannot be "${entry}"`, "give NAME=value, or the name of a variable of yours");
  const value = given ?? process.env[name];
  if (value === undefined)
    throw new UsageError(`--env ${name}: there is no such variable here`, `give ${name}=value`);
  return [name, value];
}

function sentStdin(): Promise<Uint8Array> {
  return wholeStdin(EXEC_STDIN_BYTES, stdinTooLarge, "waiting for the end of stdin (-n sends none)");
}

function interrupt(agent: Agent): void {
  const line = `interrupted; the command may go on running on ${agent.name}\n`;
  void writeErr(line).finally(() => process.exit(128 + 2));
}

async function print(outcome: ExecOutcome, words: readonly string[]): Promise<void> {
  const { result } = outcome;
  await Promise.all([writeOut(outcome.stdout), writeErr(outcome.stderr)]);
  if (result.truncated) say("rexec: the output was longer than a result can carry, and is cut here");
  if (result.timed_out) say("rexec: the time was up, and the command was killed");
  if (outcome.basic) say("rexec: this agent is another make: it ignored --timeout, --cwd, --env and stdin");
  if (outcome.neverRan !== null) say(`rexec: ${outcome.neverRan}`);
  const [only, ...more] = words;
  if (outcome.exitCode === 127 && more.length === 0 && only && /[\s|;&<>$]/.test(only)) {
    say(`rexec: that was one word; for a line of shell write: -- sh -c '…'`);
  }
}

function jsonOf(outcome: ExecOutcome, agent: Agent): object {
  const { result } = outcome;
  return {
    agent: { id: agent.id, name: agent.name },
    command: result.command,
    success: result.success,
    exit_code: outcome.exitCode,
    signal: result.signal ?? null,
    timed_out: result.timed_out === true,
    truncated: result.truncated === true,
    ...(result.duration_ms === undefined ? {} : { duration_ms: result.duration_ms }),
    ...(result.error === undefined ? {} : { error: result.error }),
    ...(outcome.apart
      ? { ...streamOf("stdout", outcome.stdout), ...streamOf("stderr", outcome.stderr) }
      : { output: result.output }),
  };
}

/** As text, and where it is no UTF-8 also as what it really is. */
function streamOf(name: string, bytes: Uint8Array): Record<string, string> {
  const text = Buffer.from(bytes).toString("utf8");
  const exact = Buffer.from(text).equals(bytes);
  return exact ? { [name]: text } : { [name]: text, [`${name}_base64`]: bytes.toBase64() };
}
