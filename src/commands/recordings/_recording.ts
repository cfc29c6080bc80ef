/** What the commands about recordings share. */
import { printable } from "../../lib/printable.ts";
import type { RecordingView } from "../../protocol/http-recordings.ts";

export const recordingArg = {
  type: "positional",
  required: true,
  valueHint: "RECORDING",
  description: "The recording's id, or its end as recordings ls shows it",
} as const;

/** The end of an id: its beginning is the time, which those of one moment have in common. */
export function shortId({ id }: RecordingView): string {
  return printable(id.slice(-12));
}

/** `1:02:03` or `2:03`, of seconds. */
export function clockTime(seconds: number): string {
  const whole = Math.floor(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** A recording in one line: session, machine and start. */
export function titleOf({ session, agent, started_at }: RecordingView): string {
  return `${printable(session, 100)} on ${printable(agent.name, 100)}, ${printable(started_at)}`;
}
