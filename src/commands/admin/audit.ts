/** `rexec admin audit`: the audit log in a data folder, also while the gateway runs. */
import { type AuditMark, verifyAudit } from "../../gateway/audit/verify.ts";
import { auditView } from "../../gateway/audit/view.ts";
import { inFolder } from "../../gateway/first-start.ts";
import type { AuditFilter } from "../../gateway/store/audit.ts";
import type { Store } from "../../gateway/store/store.ts";
import { counted } from "../../lib/count.ts";
import { UsageError } from "../../lib/errors.ts";
import { printable, printableJson } from "../../lib/printable.ts";
import { momentOf, timeArgs } from "../_audit.ts";
import { defineCommand, repeatable, say, withHelp, writeJson, writeOut } from "../_cli.ts";
import { dataArgs, dataFolder } from "./_data.ts";

/** Rows that are read at a time. */
const PAGE = 500;

const verify = withHelp(
  defineCommand({
    meta: { name: "verify", description: "Check that no entry was changed, removed or moved" },
    args: {
      has: repeatable({
        type: "string",
        valueHint: "SEQ:HASH",
        description:
          "An entry that an earlier check named as the newest: it has to be there; may be repeated",
      }),
      json: { type: "boolean", description: "As a JSON object" },
      ...dataArgs,
    },
    async run({ args }) {
      const marks = (args.has ?? "").split(",").filter(Boolean).map(markOf);
      const report = await inFolder(dataFolder(args), (store) => verifyAudit(store.audits, marks));
      const { rows, faults, more, newest } = report;
      const isWhole = faults.length === 0;
      if (args.json) await writeJson({ whole: isWhole, ...report });
      else {
        for (const { seq, fault, message } of faults) await writeOut(`${fault}: entry ${seq}: ${message}\n`);
        if (more > 0) await writeOut(`and ${counted(more, "more fault")}\n`);
        if (isWhole) {
          const last = newest.map(({ seq, hash }) => `${seq}:${hash}`).join(" ");
          await writeOut(
            `${counted(rows, "entry", "entries")}, all as they were written; the newest is ${printable(last)}\n`,
          );
        } else
          say(
            `the audit log is damaged: ${counted(faults.length + more, "fault")} in ${counted(rows, "entry", "entries")}`,
          );
      }
      return isWhole ? 0 : 1;
    },
  }),
  {
    examples: [
      ["rexec admin audit verify", "Ends with 1 where something is wrong"],
      ["rexec admin audit verify --has 1234:9f86…", "The log goes on from what an earlier check saw"],
    ],
    notes: [
      "The hashes have no key: one who can write the data folder can write a whole new log that is sound in itself. Keep the " +
        "newest hash somewhere else, or send the log elsewhere (serve --audit-syslog, --audit-webhook), and --has finds that too.",
    ],
  },
);

const exportCommand = withHelp(
  defineCommand({
    meta: { name: "export", description: "Print the audit log, one JSON object a line, the oldest first" },
    args: { ...timeArgs, ...dataArgs },
    run({ args }) {
      const filter = { since: momentOf("since", args.since), until: momentOf("until", args.until) };
      return inFolder(dataFolder(args), (store) => writeAll(store, filter));
    },
  }),
  { examples: [["rexec admin audit export --since 30d > audit.jsonl", "The last 30 days"]] },
);

export const auditCommand = withHelp(
  defineCommand({
    meta: { name: "audit", description: "Check or export the audit log of a data folder" },
    subCommands: { verify, export: exportCommand },
  }),
  { examples: [["rexec admin audit verify", "Check that no entry was changed, removed or moved"]] },
);

// --- internal ---

function markOf(text: string): AuditMark {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? [];
  if (seq !== undefined && hash !== undefined) {
    return { chain: "main", seq: Number(seq), hash: hash.toLowerCase() };
  }
  throw new UsageError(
    `--has cannot be "${text}"`,
    "give what an earlier check named as the newest: SEQ:HASH",
  );
}

async function writeAll({ audits }: Store, filter: AuditFilter): Promise<void> {
  for (const { chain, first_seq } of await audits.heads()) {
    for (let after = first_seq - 1; ; ) {
      const rows = await audits.following(chain, after, PAGE, filter);
      const last = rows.at(-1);
      if (!last) break;
      after = last.seq;
      await writeOut(rows.map((row) => `${printableJson(auditView(row), 0)}\n`).join(""));
    }
  }
}
