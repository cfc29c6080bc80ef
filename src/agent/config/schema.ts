/** What an agent's configuration file may say. */
import * as z from "zod/mini";
import { parseDuration } from "../../lib/duration.ts";

/** As people write them; in milliseconds. */
const duration = z.pipe(
  z.union([z.string(), z.number()]),
  z.transform((given, context) => {
    const ms = parseDuration(String(given));
    if (ms !== null) return ms;
    context.issues.push({ code: "custom", message: "is no time such as 30s, 5m or 24h", input: given });
    return z.NEVER;
  }),
);

/** The keys of a file, `labels` and `tags` already made one. Unknown keys are not ours to judge. */
export const fileSettings = z.object({
  api_url: z.optional(z.string()),
  token: z.optional(z.string()),
  /** This server takes the token in the socket's address alone, where its log keeps it. */
  token_in_query: z.optional(z.boolean()),
  agent_id: z.optional(z.string()),
  name: z.optional(z.string()),
  description: z.optional(z.string()),
  /** Where the machine stands, for lists. */
  region: z.optional(z.string()),
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
  /** Bytes of output kept for one session by rexec.v2, for viewers that come back. */
  ring_size: z.optional(z.int().check(z.minimum(65_536), z.maximum(2 ** 30))),
  /** The same for all sessions together. */
  ring_budget: z.optional(z.int().check(z.minimum(65_536), z.maximum(2 ** 34))),
  /** How long a program waits for a connection that was lost: `2m`, or seconds. */
  hold_time: z.optional(duration),
  /** Silence after which the server is pinged, and after which it is given up; where it speaks rexec.v2. */
  ping_interval: z.optional(duration),
  dead_after: z.optional(duration),
  /** A session in which nothing is typed or printed for so long is ended; 0 for never. */
  idle_timeout: z.optional(duration),
  /** A session without a viewer for so long is ended; 0 for never. */
  orphan_timeout: z.optional(duration),
  /** Whether the agent looks for a newer version by itself, and how often. */
  auto_update: z.optional(z.boolean()),
  update_interval: z.optional(duration),
});
export type FileSettings = z.infer<typeof fileSettings>;

/** Keys of which the value is text; a bare `123` in YAML is then the text "123". */
export const TEXT_KEYS: ReadonlySet<string> = new Set([
  "id",
  "host",
  "api_url",
  "token",
  "agent_id",
  "name",
  "description",
  "region",
  "shell",
  "working_dir",
  "ca_file",
]);

/** Keys as the original Rexec agent spells them in its `agent.json`, beside ours. Where a file has both, ours counts. */
export const ORIGINAL_KEYS = [
  ["agent_id", "id"],
  ["api_url", "host"],
] as const;

/** The two names of one thing: what our YAML calls labels, our JSON calls tags. */
export const TAG_KEYS = ["labels", "tags"] as const;
