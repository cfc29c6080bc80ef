/** Shapes of the API of recordings. Times are RFC 3339 strings, durations seconds. */
import * as z from "zod/mini";
import { brief, COUNTS, exact, LENGTHS, lenient, someOf } from "./values.ts";

const word = brief(LENGTHS.word);
const time = brief(LENGTHS.time);
const count = z.number();
const id = exact(LENGTHS.id, 1);

/** One recording. */
export const recordingBody = z.object({
  id,
  agent: z.object({ id, name: brief(LENGTHS.name) }),
  /** The first viewer's name. */
  user: brief(LENGTHS.name),
  session: brief(LENGTHS.id),
  instance: brief(LENGTHS.id),
  /** From 1 on: a session that is recorded again, as after a restart of the gateway, has several. */
  part: count,
  /** `shell`, or `run` for a command. */
  kind: word,
  command: brief(LENGTHS.shownCommand),
  /** `always` by a policy, or on `request`. */
  reason: word,
  /** `recording`, `complete` with its session, `stopped` before, or `interrupted`. */
  state: word,
  /** Why it is interrupted. */
  note: lenient(z.nullable(brief(LENGTHS.error))),
  started_at: time,
  ended_at: z.nullable(time),
  duration: count,
  bytes: count,
  /** What is missing of the output; null where nothing is. */
  cut: z.nullable(z.object({ bytes: count, reason: brief(LENGTHS.error) })),
  exit_code: z.nullable(count),
  signal: z.nullable(word),
  cols: count,
  rows: count,
});
export type RecordingView = z.infer<typeof recordingBody>;

/** `GET /api/recordings`, the newest first. */
export const recordingListBody = z.object({ recordings: someOf(recordingBody, COUNTS.listed) });

/** `GET /api/recordings/{id}/index.json`: as asciinema-player's segmented form has it. */
export const segmentIndexBody = z.object({
  version: z.literal(1),
  duration: count,
  term: z.object({ cols: count, rows: count }),
  markers: z.optional(z.array(z.tuple([count, z.string()]))),
  segments: z.array(z.object({ start: count, url: exact(LENGTHS.path, 1) })),
});
export type SegmentIndex = z.infer<typeof segmentIndexBody>;

/** One segment: the screen at its start, and what follows. */
export const segmentBody = z.object({
  snapshot: z.object({ cols: count, rows: count, init: z.string() }),
  events: z.array(z.tuple([count, z.string(), z.string()])),
});
export type Segment = z.infer<typeof segmentBody>;

const mode = z.enum(["always", "never", "request"]);

/** `PUT /api/agents/{id}/recording-policy`. */
export const agentPolicyBody = z.object({
  mode,
  /** What is typed is recorded too, passwords included. */
  input: z._default(z.boolean(), false),
});

/** `GET /api/agents/{id}/recording-policy`: what applies to the caller, by all policies together. */
export const decisionBody = z.object({ mode: word, input: z.boolean() });

/** `PUT /api/recording-policies`. `target`: an agent's id, a tag, or a user's name; none for `all`. */
export const policyBody = z.extend(agentPolicyBody, {
  kind: z.enum(["all", "agent", "tag", "user"]),
  target: z._default(exact(LENGTHS.name), ""),
});

/** A policy, as it is listed. */
export const policyView = z.object({
  id,
  kind: word,
  target: brief(LENGTHS.name),
  /** Of the agent or user, where it is known. */
  name: lenient(z.nullable(brief(LENGTHS.name))),
  mode: word,
  input: z.boolean(),
});
export type PolicyView = z.infer<typeof policyView>;

export const policyListBody = z.object({ policies: someOf(policyView, COUNTS.listed) });

/** `POST /api/agents/{id}/sessions/{session}/recording`. */
export const startedRecordingBody = z.object({ message: brief(LENGTHS.error) });
