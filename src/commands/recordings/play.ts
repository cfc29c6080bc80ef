import { findRecording, openCast, segmentAt, segmentIndex } from "../../client/recordings/api.ts";
import { Player } from "../../client/recordings/player.ts";
import { blankScreen } from "../../client/shell/screen.ts";
import { systemClock } from "../../lib/clock.ts";
import { parseDuration } from "../../lib/duration.ts";
import { UsageError } from "../../lib/errors.ts";
import { eventOf, shownOf } from "../../protocol/cast.ts";
import type { RecordingView } from "../../protocol/http-recordings.ts";
import { defineCommand, say, withHelp, writeOut } from "../_cli.ts";
import { writeErr } from "../_output.ts";
import { currentServer, serverArgs } from "../_server.ts";
import { guard, localTerminal, ownLine } from "../_terminal.ts";
import { clockTime, recordingArg, titleOf } from "./_recording.ts";

const SPEEDS = { least: 0.1, most: 1_000 };

export const recordingsPlayCommand = withHelp(
  defineCommand({
    meta: { name: "play", description: "Play a recording in this terminal" },
    args: {
      recording: recordingArg,
      speed: { type: "string", valueHint: "N", default: "1", description: "2 is twice as fast" },
      from: {
        type: "string",
        valueHint: "TIME",
        default: "0s",
        description: "Begin at this moment: 1m30s, 90s",
      },
      idle: {
        type: "string",
        valueHint: "TIME",
        description: "Cut silences down to this: 2s (default: as they were)",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const speed = Number(args.speed);
      if (!(speed >= SPEEDS.least && speed <= SPEEDS.most))
        throw new UsageError(`--speed cannot be "${args.speed}"`, "it is a number from 0.1 to 1000");
      const from = momentOf("from", args.from);
      const idle = args.idle === undefined ? null : momentOf("idle", args.idle);
      const server = currentServer(args);
      const recording = await findRecording(server, args.recording);
      if (process.stdout.isTTY !== true) return print(await openCast(server, recording.id, 0), recording);
      const index = await segmentIndex(server, recording.id);
      const terminal = localTerminal();
      tellSize(recording, terminal.size());
      say(`rexec: ${titleOf(recording)}, ${clockTime(index.duration)}; space pauses, arrows seek, q quits`);
      const ending = guard(terminal);
      const { signal } = ending;
      const player = new Player({
        index,
        segment: (number, by) => segmentAt(server, recording.id, index.segments[number]?.url ?? "", by),
        write: (text) => terminal.write(Buffer.from(text)),
        blank: () => blankScreen(terminal.undo(), terminal.size()?.rows ?? 0),
        from,
        speed,
        idle,
        clock: systemClock,
        signal,
      });
      signal.addEventListener("abort", () => player.quit());
      try {
        if (terminal.interactive) {
          terminal.enterRaw();
          void typed(terminal, player);
        }
        const isWhole = await player.run();
        terminal.restore();
        const where = isWhole ? "the end" : `left at ${clockTime(player.time)}`;
        await writeErr(`${ownLine(terminal)}rexec: ${where}\n`);
        return ending.exitCode ?? 0;
      } finally {
        terminal.restore();
      }
    },
  }),
  {
    examples: [
      ["rexec recordings play 3f9a01bc --idle 2s", "No silence longer than two seconds"],
      ["rexec recordings play 3f9a01bc --from 1m30s --speed 4", "From a moment on, four times as fast"],
      ["rexec recordings play 3f9a01bc | less -R", "Where stdout is no terminal: all its output, at once"],
    ],
    notes: [
      "Keys: space pauses and goes on, left and right go 5 seconds back and forth, down and up a minute, q leaves.",
    ],
  },
);

// --- internal ---

/** Seconds of `1m30s`, `90s` or `90`. @throws UsageError */
function momentOf(option: string, text: string): number {
  const parts = text.match(/\d*\.?\d+\s*(?:ms|[smhd])?/gi) ?? [];
  const times = parts.map(parseDuration);
  const isWhole =
    parts.length > 0 && parts.join("") === text.trim() && (parts.length === 1 || /[a-z]$/i.test(text));
  const sum = times.reduce<number>((total, ms) => total + (ms ?? Number.NaN), 0);
  if (isWhole && Number.isFinite(sum)) return sum / 1000;
  throw new UsageError(`--${option} cannot be "${text}"`, "it is a time: 90s, 1m30s");
}

function tellSize({ cols, rows }: RecordingView, size: { cols: number; rows: number } | null): void {
  if (size && (size.cols < cols || size.rows < rows)) {
    say(`rexec: recorded in ${cols} by ${rows}, and this terminal has ${size.cols} by ${size.rows}`);
  }
}

async function typed(terminal: ReturnType<typeof localTerminal>, player: Player): Promise<void> {
  for (;;) {
    const bytes = await terminal.read().catch(() => null);
    if (bytes === null) return player.quit();
    player.keys(bytes);
  }
}

/** All output, for another program. */
async function print({ body }: Response, { kind }: RecordingView): Promise<void> {
  const decoder = new TextDecoder();
  let open = "";
  const show = async (line: string) => {
    const event = eventOf(line);
    const text = event ? shownOf(event, kind === "run") : "";
    if (text) await writeOut(text);
  };
  for await (const chunk of body ?? []) {
    const lines = (open + decoder.decode(chunk, { stream: true })).split("\n");
    open = lines.pop() ?? "";
    for (const line of lines) await show(line);
  }
}
