/** Checks the audit log: every row's hash, every link to the row before, and both ends. */
import type { AuditHead, AuditReader, Audits } from "../store/audit.ts";
import { type AuditRow, hashOf } from "./row.ts";

/** Rows that are read at a time. */
const PAGE = 1_000;
/** Faults that are described; more are counted. */
const DESCRIBED = 100;

/** What is wrong at one place of a chain. */
export interface AuditFault {
  readonly chain: string;
  readonly seq: number;
  /**
   * `changed`: the row is not as it was written. `missing`: rows before it are gone. `unlinked`: it was not written behind
   * the row before it. `truncated`: rows behind it are gone. `extra`: it is behind the end. `headless`: the chain has no head.
   */
  readonly fault: "changed" | "missing" | "unlinked" | "truncated" | "extra" | "headless";
  readonly message: string;
}

/** The newest row, which proves all rows before it. */
export interface AuditMark {
  readonly chain: string;
  readonly seq: number;
  readonly hash: string;
}

/** What a check found. */
export interface AuditReport {
  readonly rows: number;
  readonly faults: readonly AuditFault[];
  /** Faults beyond those in the list. */
  readonly more: number;
  /** Keep them elsewhere: a later check can be asked for them. */
  readonly newest: readonly AuditMark[];
}

/**
 * Checks all chains as they are at one moment; a gateway may be writing. Reads in pages.
 * @param known marks of earlier checks: a log that was written anew, hashes and all, does not have them
 */
export function verifyAudit(
  audits: Pick<Audits, "snapshot">,
  known: readonly AuditMark[] = [],
): Promise<AuditReport> {
  return audits.snapshot(async (reader) => {
    const check = new Check(known);
    const heads = new Map((await reader.heads()).map((head) => [head.chain, head]));
    const chains = new Set([...heads.keys(), ...(await reader.chains()), ...known.map(({ chain }) => chain)]);
    for (const chain of chains) await check.chain(reader, chain, heads.get(chain) ?? null);
    return check.report();
  });
}

// --- internal ---

class Check {
  readonly #known: readonly AuditMark[];
  readonly #faults: AuditFault[] = [];
  readonly #newest: AuditMark[] = [];
  #more = 0;
  #rows = 0;

  constructor(known: readonly AuditMark[]) {
    this.#known = known;
  }

  report(): AuditReport {
    return { rows: this.#rows, faults: this.#faults, more: this.#more, newest: this.#newest };
  }

  async chain(reader: AuditReader, chain: string, head: AuditHead | null): Promise<void> {
    const wanted = new Map(
      this.#known.filter((mark) => mark.chain === chain).map((mark) => [mark.seq, mark.hash]),
    );
    if (!head)
      this.#found(chain, 0, "headless", "the chain has no head: its first and last rows cannot be checked");
    let expected = head?.first_seq ?? 1;
    let hash = head?.anchor ?? null;
    let after = expected - 1;
    for (;;) {
      const page = await reader.following(chain, after, PAGE);
      for (const row of page) {
        this.#row(chain, row, expected, hash);
        const mark = wanted.get(row.seq);
        if (mark !== undefined && mark !== row.hash)
          this.#found(chain, row.seq, "changed", "it is not the row that the given mark names");
        wanted.delete(row.seq);
        expected = row.seq + 1;
        hash = row.hash;
        if (head && row.seq > head.newest_seq)
          this.#found(chain, row.seq, "extra", "it is behind the end of the chain");
      }
      after = page.at(-1)?.seq ?? after;
      if (page.length < PAGE) break;
    }
    if (head) this.#end(head, expected - 1, hash);
    for (const seq of wanted.keys()) this.#unmet(chain, seq, head);
  }

  #row(chain: string, row: AuditRow, expected: number, hash: string | null): void {
    this.#rows += 1;
    const { seq } = row;
    if (seq > expected) this.#found(chain, seq, "missing", `${spanOf(expected, seq - 1)} missing before it`);
    if (hashOf(row) !== row.hash) this.#found(chain, seq, "changed", "it is not as it was written");
    else if (seq === expected && hash !== null && row.prev_hash !== hash)
      this.#found(chain, seq, "unlinked", "it was not written behind the row that now stands before it");
  }

  #end(head: AuditHead, last: number, hash: string | null): void {
    const { chain, newest_seq, newest_hash } = head;
    if (last < newest_seq) {
      this.#found(chain, newest_seq, "truncated", `${spanOf(last + 1, newest_seq)} missing at the end`);
    } else if (last === newest_seq && hash !== newest_hash) {
      this.#found(chain, last, "changed", "its hash is not the one that the head of the chain has");
    }
    this.#newest.push({ chain, seq: newest_seq, hash: newest_hash });
  }

  /** A mark whose row retention has deleted proves nothing any more, and is no fault. */
  #unmet(chain: string, seq: number, head: AuditHead | null): void {
    if (head && seq < head.first_seq) return;
    this.#found(chain, seq, "truncated", "the row that the given mark names is gone");
  }

  #found(chain: string, seq: number, fault: AuditFault["fault"], message: string): void {
    if (this.#faults.length < DESCRIBED) this.#faults.push({ chain, seq, fault, message });
    else this.#more += 1;
  }
}

function spanOf(from: number, to: number): string {
  return from === to ? `row ${from} is` : `rows ${from} to ${to} are`;
}
