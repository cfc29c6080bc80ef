/** Whether a viewer may type in the shell that it looks at, as the gateway says, and what its user is told about that. */
import { printable } from "../../lib/printable.ts";
import { isReport } from "../../protocol/terminal-reports.ts";
import type { OwnerMessage } from "../../protocol/v2/control.ts";

type Control = Extract<OwnerMessage, { type: "control" }>;

const LONGEST_NAME = 40;

/** Shown to a viewer that may only look. */
export const READ_ONLY = "read-only: you can look and not type";

/** Owned by the state of a shell, over all of its connections. The gateway drops what is sent all the same. */
export class TypingRights {
  readonly #viewerId: string;
  #mayType = true;
  #isReadOnly = false;
  /** Of the viewer that alone may type; null where every viewer may. */
  #holder: { id: string; name: string } | null = null;
  #wasTold = false;
  #said = "";

  /** @param viewerId our own */
  constructor(viewerId: string) {
    this.#viewerId = viewerId;
  }

  get mayType(): boolean {
    return this.#mayType;
  }

  /** This viewer alone may type. */
  get isHolder(): boolean {
    return this.#holder?.id === this.#viewerId;
  }

  /** A new connection: every viewer may type until the gateway says otherwise. */
  attached(): void {
    this.#mayType = true;
    this.#isReadOnly = false;
    this.#holder = null;
  }

  /** @returns what the user is to be told; empty for nothing new */
  changed({ mode, viewer = "", name = "", may_type, read_only = false }: Control): string {
    this.#mayType = may_type;
    this.#isReadOnly = read_only;
    this.#holder = mode === "only" ? { id: viewer, name: printable(name, LONGEST_NAME) } : null;
    this.#wasTold = false;
    const now = this.#text;
    if (now === this.#said) return "";
    this.#said = now;
    return now || "every viewer can type again";
  }

  /** What the user is told that typed something which goes nowhere: once, and not for what a terminal sends by itself. */
  dropped(bytes: Uint8Array): string {
    if (this.#wasTold || isReport(bytes)) return "";
    this.#wasTold = true;
    return this.#text;
  }

  // --- internal ---

  get #text(): string {
    if (this.#isReadOnly) return READ_ONLY;
    if (!this.#holder) return "";
    if (this.isHolder) return "you have control: no other viewer can type";
    return `${this.#holder.name || "another viewer"} has control: what you type is dropped`;
  }
}
