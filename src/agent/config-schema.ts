/** What an agent's configuration file may say. */
import { z } from "zod";
import { parseDuration } from "../lib/duration.ts";

/** As people write them; in milliseconds. */
const duration = z.union([z.string(), z.number()]).transform((given, context) => {
  const ms = parseDuration(String(given));
  if (ms !== null) return ms;
  context.addIssue({ code: "custom", message: "is no time such as 30s, 5m or 24h" });
  return z.NEVER;
});

/** The keys of a file, `labels` and `tags` already made one. Unknown keys are not ours to judge. */
export const fileSettings = z.object({
  api_url: z.string().optional(),
  token: z.string().optional(),
  agent_id: z.string().optional(),
  name: z.string().optional(),
  description: z.string().optional(),
  tags: z.array(z.string()).optional(),
  shell: z.string().optional(),
  working_dir: z.string().optional(),
  /** PEM file of an authority that is trusted beside the built-in ones. */
  ca_file: z.string().optional(),
  /** Allows plain http over a network. */
  insecure: z.boolean().optional(),
  /** Shells that may run at the same time. */
  max_sessions: z.number().int().min(1).max(4096).optional(),
  /** Bytes of output kept for one session while the server does not take them. */
  session_buffer: z
    .number()
    .int()
    .min(4096)
    .max(2 ** 30)
    .optional(),
  /** The same for all sessions together. */
  memory_budget: z
    .number()
    .int()
    .min(65_536)
    .max(2 ** 34)
    .optional(),
  /** Bytes of output kept for one session by rexec.v2, for whoever comes back. */
  ring_size: z
    .number()
    .int()
    .min(65_536)
    .max(2 ** 30)
    .optional(),
  /** The same for all sessions together. */
  ring_budget: z
    .number()
    .int()
    .min(65_536)
    .max(2 ** 34)
    .optional(),
  /** How long a program waits for a connection that was lost: `2m`, or seconds. */
  hold_time: duration.optional(),
  /** Silence after which the server is pinged, and after which it is given up; where it speaks rexec.v2. */
  ping_interval: duration.optional(),
  dead_after: duration.optional(),
  /** A session in which nothing is typed or printed for so long is ended; 0 for never. */
  idle_timeout: duration.optional(),
  /** A session at which nobody has looked for so long is ended; 0 for never. */
  orphan_timeout: duration.optional(),
});
export type FileSettings = z.infer<typeof fileSettings>;

/** Keys of which the value is text; a bare `123` in YAML is then the text "123". */
export const TEXT_KEYS: ReadonlySet<string> = new Set([
  "api_url",
  "token",
  "agent_id",
  "name",
  "description",
  "shell",
  "working_dir",
  "ca_file",
]);

/** The two names of one thing: what our YAML calls labels, our JSON calls tags. */
export const TAG_KEYS = ["labels", "tags"] as const;
