/** The kinds of channels that an agent opens: a new kind is a file of its own and a line here. */
import type { Sender } from "../link/sender.ts";
import type { OpenerMessage } from "../protocol/v2/control.ts";
import type { RunManager } from "./commands/run-manager.ts";
import type { AgentChannel } from "./sessions/agent-channel.ts";
import type { SessionManager } from "./sessions/session-manager.ts";
import { ShellChannel } from "./sessions/shell-channel.ts";

/** The message that opens a channel, by its kind. */
interface OpeningByKind {
  attach: Extract<OpenerMessage, { type: "attach" }>;
  run: Extract<OpenerMessage, { type: "run" }>;
}
type Kind = keyof OpeningByKind;
export type Opening<K extends Kind = Kind> = { [P in K]: OpeningByKind[P] & { type: P } }[K];

/** @param onEnded the opener was told of the end @throws Refusal */
type Open<M> = (message: M, sender: Sender, onEnded: () => void) => AgentChannel;

/** A handler for each kind. */
export type Openers = { readonly [K in Kind]: Open<Opening<K>> };

/** @returns what opens shells and commands of this agent */
export function openersOf(sessions: SessionManager, runs: RunManager): Openers {
  return {
    attach: (attach, sender, onEnded) =>
      new ShellChannel({ attach, ...sessions.find(attach), sender, onEnded }),
    run: (run, sender, onEnded) => runs.attach(run, sender, onEnded),
  };
}

/** Whether the message opens a channel of a kind that there is a handler for. */
export function isOpening(openers: Openers, message: OpenerMessage): message is Opening {
  return Object.hasOwn(openers, message.type);
}

/** Has the handler of its kind open a channel. @throws Refusal */
export function openChannel<K extends Kind>(
  openers: Openers,
  message: Opening<K>,
  ...rest: [Sender, () => void]
): AgentChannel {
  return openers[message.type](message, ...rest);
}
