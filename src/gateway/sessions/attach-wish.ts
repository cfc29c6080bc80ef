/** What a viewer asked for by `attach`, as the agent gets it. */
import type { OpenerInput, OpenerMessage } from "../../protocol/v2/control.ts";
import type { TerminalSize } from "../../screen/engine.ts";

export type Attach = Extract<OpenerMessage, { type: "attach" }>;

/** What is known of the viewer by now. */
export interface AttachState {
  /** On the agent's leg. */
  channel: number;
  /** The session's instance, once it is known. */
  instance: string | undefined;
  /** The first attach of this viewer: a session may be started for it. */
  isFirst: boolean;
  /** Null where it is not to count. */
  size: TerminalSize | null;
  /** The viewer may only look. */
  isReadOnly: boolean;
}

/** An `attach` for the viewer's input: the mirror reads the output. */
export function attachForAgent(wish: Attach, state: AttachState): OpenerInput {
  const { session, create, viewer, term, colorterm, command, shown } = wish;
  const { channel, instance = wish.instance, isFirst, size, isReadOnly } = state;
  const start = { term, colorterm, command, shown };
  return {
    type: "attach",
    channel,
    session,
    create: create && isFirst && !isReadOnly,
    ...(instance === undefined ? {} : { instance }),
    output: false,
    hold: false,
    viewer,
    ...(isReadOnly ? {} : size),
    // What counts where a shell is started for this viewer.
    ...Object.fromEntries(Object.entries(start).filter(([, value]) => value !== undefined)),
  };
}
