/** Sizes and times that both ends of a wire agree on. Bytes and milliseconds unless the name says otherwise. */

/** Largest piece of terminal output in one v1 message, before base64. */
export const OUTPUT_CHUNK_BYTES = 64 * 1024;

/** Largest piece of terminal input in one v1 message, before base64. */
export const INPUT_CHUNK_BYTES = 64 * 1024;

/** What one stream of a v1 exec result holds at most. A longer one is cut there and marked `truncated`. */
export const EXEC_STREAM_BYTES = 16 * 1024 * 1024;

/** Longest command line, bytes: Linux's bound of one argument (MAX_ARG_STRLEN). */
export const LONGEST_COMMAND = 128 * 1024 - 1;

/** Silence that ends the output of a command that has exited while a background process holds its pipes open, ms. */
export const LINGER_MS = 1_000;
export const MAX_LINGER_MS = 24 * 60 * 60 * 1000;

/** Largest stdin that a v1 exec request carries. */
export const EXEC_STDIN_BYTES = 16 * 1024 * 1024;

/**
 * Largest message that an agent may send its server: three exec streams of 16 MiB, two of them in base64, the
 * third as a JSON string (1 byte may become 6).
 */
export const AGENT_MESSAGE_BYTES = 160 * 1024 * 1024;

/** Largest message that a server may send an agent: an exec with a full stdin, in base64, and room for the rest. */
export const SERVER_MESSAGE_BYTES = 32 * 1024 * 1024;

/**
 * Largest message that our gateway takes from an agent, and our agent sends to any server: a result of a command with
 * 16 MiB in base64, and 1.6 MiB for the rest. A result that would be larger is cut, and marked `truncated`.
 */
export const RESULT_MESSAGE_BYTES = 23 * 1024 * 1024;

/** Largest message from a viewer by v1: as above, since it may carry a command with 16 MiB of stdin, in base64. */
export const VIEWER_MESSAGE_BYTES = RESULT_MESSAGE_BYTES;

/** Largest message from a viewer by rexec.v2: a DATA frame has 64 KiB, a command to be run 128 KiB. */
export const V2_VIEWER_MESSAGE_BYTES = 256 * 1024;

/** Most input by rexec.v2 that the agent has not applied, of one viewer or one command. At this bound the client stops reading. */
export const UNAPPLIED_BYTES = 256 * 1024;

/** Largest frame that our gateway takes from any peer. A larger one ends the connection before it is read. */
export const LARGEST_FRAME_BYTES = 24 * 1024 * 1024;

/** Largest message with terminal data, in base64 or escaped, or with a list: 64 KiB become at most 384 KiB. */
export const OUTPUT_MESSAGE_BYTES = 1024 * 1024;

/** Largest of all other messages. */
export const SMALL_MESSAGE_BYTES = 64 * 1024;

/** Largest HTTP request body of the API. */
export const HTTP_BODY_BYTES = 1024 * 1024;

/** Largest answer of the API: a list of some ten thousand agents. */
export const HTTP_ANSWER_BYTES = 16 * 1024 * 1024;

/** Largest list of an agent's sessions, or of an account's tokens. */
export const HTTP_LIST_BYTES = 4 * 1024 * 1024;

/** Largest answer about one agent, token or user. */
export const HTTP_ONE_BYTES = 256 * 1024;

/** Bytes that are read of an error answer. */
export const HTTP_REFUSAL_BYTES = 64 * 1024;

/** The server pings this often and gives up on a peer after `DEAD_PEER_MS` of silence; so does our agent. */
export const PING_INTERVAL_MS = 15_000;
export const DEAD_PEER_MS = 45_000;

/** The agent reports `stats` this often. */
export const STATS_INTERVAL_MS = 5_000;

/** Size of a terminal until its first resize. */
export const DEFAULT_COLS = 120;
export const DEFAULT_ROWS = 30;

/** Largest number of columns or rows that a resize may ask for (a winsize holds unsigned 16 bits). */
export const MAX_TERMINAL_SIDE = 65_535;
