import { existsSync } from "node:fs";
import { runtimePlaces } from "../../agent/control/place.ts";
import { findAgent } from "../../agent/daemon/find.ts";
import { keeperOf } from "../../agent/daemon/keeper.ts";
import { logPlaces } from "../../agent/daemon/log-place.ts";
import { scopeWords, type Unit } from "../../agent/daemon/supervisor.ts";
import { follow, lastLinesOfAll } from "../../agent/daemon/tail.ts";
import { runner } from "../../agent/service/run.ts";
import { asRoot } from "../../agent/trust/identity.ts";
import { ExitCode, RexecError, UsageError } from "../../lib/errors.ts";
import { printable } from "../../lib/printable.ts";
import { defineCommand, withHelp, writeOut } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";

const DEFAULT_LINES = "100";
/** What a program that ran before us has written may be anything. */
const LONGEST_LINE = 64 * 1024;

export const logsCommand = withHelp(
  defineCommand({
    meta: { name: "logs", description: "Show what the agent has logged" },
    args: {
      ...agentArgs,
      follow: { type: "boolean", alias: "f", description: "Go on with what it logs from now on" },
      lines: {
        type: "string",
        alias: "n",
        valueHint: "N",
        description: `How many lines to begin with (default ${DEFAULT_LINES})`,
      },
    },
    async run({ args }) {
      const lines = countOf(args.lines ?? DEFAULT_LINES);
      const { path } = loadAgentConfig(args, agentLogger(args), { rights: "kept" });
      const source = await sourceOf(path);
      if ("unit" in source) return journal(source.unit, lines, args.follow === true);
      await showFile(source.file, lines, args.follow === true);
      return 0;
    },
  }),
  {
    examples: [
      ["rexec-agent logs", "The last lines"],
      ["rexec-agent logs -f -n 20", "The last 20, and what comes"],
    ],
    notes: [
      "Of an agent in the background: its log file, and the two before it. Where systemd runs it: its journal. One in the " +
        "foreground writes to the terminal that it was started in, and nowhere else.",
    ],
  },
);

// --- internal ---

type Source = { file: string } | { unit: Unit };

function countOf(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--lines takes a number, not ${text}`);
  return Number(text);
}

/** The running agent's; else the file of one that ran. @throws RexecError `no_log` */
async function sourceOf(configPath: string): Promise<Source> {
  const { env } = process;
  const places = runtimePlaces(configPath, env);
  const agent = await findAgent(places);
  const log = agent?.status?.log;
  if (log) return { file: log };
  const pid = agent?.process?.pid ?? 0;
  const keeper = agent ? await keeperOf(agent, configPath, runner(env)) : null;
  if (keeper?.manager === "systemd") return { unit: keeper };
  if (agent) {
    throw new RexecError(`the agent (pid ${pid}) keeps no log: what it says goes to where it was started`, {
      code: "no_log",
      hint: `see where with: ls -l /proc/${pid}/fd/2`,
    });
  }
  const file = places.flatMap((place) => logPlaces(place, env)).find((path) => existsSync(path));
  if (file) return { file };
  const installed = await installedUnit();
  if (installed) return { unit: installed };
  throw new RexecError("no agent runs, and none has left a log", {
    code: "no_log",
    hint: "rexec-agent start --daemon keeps one",
    exitCode: ExitCode.notSetUp,
  });
}

/** The unit of `rexec-agent install`, where there is one. */
async function installedUnit(): Promise<Unit | null> {
  const { UNIT } = await import("../../agent/service/systemd.ts");
  const folders = [
    ["/etc/systemd/system", "system"],
    [`${process.env.XDG_CONFIG_HOME || `${process.env.HOME}/.config`}/systemd/user`, "user"],
  ] as const;
  const found = folders.find(([folder]) => existsSync(`${folder}/${UNIT}`));
  return found ? { name: UNIT, scope: found[1] } : null;
}

async function showFile(path: string, lines: number, goOn: boolean): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
  const { from, added } = follow(path, stop.signal);
  const shown = lastLinesOfAll(path, lines, from);
  for (const line of shown) await writeOut(`${printable(line, LONGEST_LINE)}\n`);
  if (!goOn) return;
  const decoder = new TextDecoder();
  let tail = "";
  for await (const bytes of added) {
    const lines = (tail + decoder.decode(bytes, { stream: true })).split("\n");
    tail = lines.pop() ?? "";
    for (const line of lines) await writeOut(`${printable(line, LONGEST_LINE)}\n`);
    if (tail.length <= LONGEST_LINE) continue;
    await writeOut(`${printable(tail, LONGEST_LINE)}\n`);
    tail = "";
  }
}

async function journal(unit: Unit, lines: number, goOn: boolean): Promise<number> {
  const words = [
    ...scopeWords(unit),
    ...["--unit", unit.name, "--lines", String(lines), "--no-pager"],
    ...(goOn ? ["--follow"] : []),
  ];
  const show = () =>
    Bun.spawn(["journalctl", ...words], { env: process.env, stdio: ["ignore", "inherit", "inherit"] });
  // The system's journal is not for every account to read.
  const child = unit.scope === "system" ? await asRoot(show) : show();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => child.kill(name));
  return child.exited;
}
