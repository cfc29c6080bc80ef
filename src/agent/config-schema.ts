/** What an agent's configuration file may say. */
import * as z from "zod/mini";

/** The keys of a file, `labels` and `tags` already made one. Unknown keys are not ours to judge. */
export const fileSettings = z.object({
  api_url: z.optional(z.string()),
  token: z.optional(z.string()),
  agent_id: z.optional(z.string()),
  name: z.optional(z.string()),
  description: z.optional(z.string()),
  tags: z.optional(z.array(z.string())),
  shell: z.optional(z.string()),
  working_dir: z.optional(z.string()),
  /** PEM file of an authority that is trusted beside the built-in ones. */
  ca_file: z.optional(z.string()),
  /** Allows plain http over a network. */
  insecure: z.optional(z.boolean()),
  /** Shells that may run at the same time. */
  max_sessions: z.optional(z.int().check(z.minimum(1), z.maximum(4096))),
  /** Bytes of output kept for one session while the server does not take them. */
  session_buffer: z.optional(z.int().check(z.minimum(4096), z.maximum(2 ** 30))),
  /** The same for all sessions together. */
  memory_budget: z.optional(z.int().check(z.minimum(65_536), z.maximum(2 ** 34))),
  /** Bytes of output of one session that a viewer can come back to (rexec.v2). */
  ring_size: z.optional(z.int().check(z.minimum(65_536), z.maximum(2 ** 30))),
  /** The same for all sessions together. */
  ring_budget: z.optional(z.int().check(z.minimum(65_536), z.maximum(2 ** 34))),
  /** Seconds for which a shell waits for viewers that were cut off. */
  hold_time: z.optional(z.number().check(z.minimum(0), z.maximum(86_400))),
  /** Seconds of silence after which the server is pinged, and after which it is given up (rexec.v2). */
  ping_interval: z.optional(z.number().check(z.minimum(0.1), z.maximum(3_600))),
  dead_after: z.optional(z.number().check(z.minimum(0.3), z.maximum(86_400))),
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
