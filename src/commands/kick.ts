import { type Kicked, type KickWish, kick } from "../client/viewers.ts";
import { counted } from "../lib/count.ts";
import { ExitCode, RexecError, UsageError } from "../lib/errors.ts";
import { HttpError } from "../lib/http.ts";
import { printable } from "../lib/printable.ts";
import { defineCommand, say, withHelp } from "./_cli.ts";
import { serverArgs } from "./_server.ts";
import { atAgentArg } from "./_sessions.ts";
import { type FoundViewer, isViewer, viewersOf } from "./_viewers.ts";

const KINDS = ["viewer", "user", "session"] as const;
type Kind = (typeof KINDS)[number];

export const kickCommand = withHelp(
  defineCommand({
    meta: { name: "kick", description: "Close the connections of viewers at once" },
    args: {
      what: {
        type: "positional",
        required: true,
        valueHint: "USER|VIEWER|SESSION",
        description: "A user's name, a viewer's id or its beginning, or a session: rexec viewers shows them",
      },
      agent: atAgentArg,
      as: {
        type: "string",
        valueHint: "KIND",
        description: "What it is, where it could be several: user, viewer, session",
      },
      revoke: {
        type: "boolean",
        description:
          "Revoke what the connections were opened with, too: shares, and as an administrator tokens",
      },
      ...serverArgs,
    },
    async run({ args }) {
      const { what } = args;
      const { server, found } = await viewersOf(args, args.agent);
      const kind = kindOf(what, args.as, found);
      const meant = found.filter((each) => fits[kind](each, what));
      const agents = [...new Map(meant.map(({ agent }) => [agent.id, agent])).values()];
      if (kind !== "user" && agents.length > 1) {
        const names = agents.map(({ name }) => printable(name, 100)).join(", ");
        throw new UsageError(`the ${kind} "${what}" is on ${names}`, "say which: --agent NAME");
      }
      const wish: KickWish = {
        [kind]: kind === "viewer" ? meant[0]?.viewer.id : what,
        revoke: args.revoke === true,
      };
      const everywhere =
        kind === "user" && args.agent === undefined
          ? await kick(server, null, wish).catch(unlessForbidden)
          : null;
      const done: Kicked[] = everywhere ? [everywhere] : [];
      if (!everywhere) for (const { id } of agents) done.push(await kick(server, id, wish));
      const sum = (count: (one: Kicked) => number) => done.reduce((all, one) => all + count(one), 0);
      say(
        `closed ${counted(
          sum(({ closed }) => closed),
          "viewer",
        )}`,
      );
      if (args.revoke) {
        say(`revoked ${sum(({ revoked }) => revoked)} of what they were opened with`);
        const kept = sum((one) => one.kept);
        if (kept > 0)
          say(`${counted(kept, "credential")} of other users stay: an administrator can revoke those`);
      }
      return 0;
    },
  }),
  {
    examples: [
      ["rexec kick ada", "All viewers of a user, on every machine that you manage"],
      ["rexec kick 3f2a --revoke", "One viewer, and the share or token that it came with"],
      ["rexec kick main --agent web-1", "All viewers of a session"],
    ],
    notes: [
      "A user whose connections were closed can connect again, unless --revoke or rexec grant rm takes that away.",
    ],
  },
);

// --- internal ---

const fits: Record<Kind, (found: FoundViewer, what: string) => boolean> = {
  viewer: ({ viewer }, what) => isViewer(viewer, what),
  user: ({ viewer }, what) => viewer.user === what,
  session: ({ viewer }, what) => viewer.sessions.includes(what),
};

/** @throws UsageError, RexecError `unknown_viewer` */
function kindOf(what: string, as: string | undefined, found: readonly FoundViewer[]): Kind {
  const named = KINDS.find((kind) => kind === as);
  if (as !== undefined && !named)
    throw new UsageError(`--as cannot be "${as}"`, `give one of ${KINDS.join(", ")}`);
  const kinds = (named ? [named] : KINDS).filter((kind) => found.some((each) => fits[kind](each, what)));
  const [kind] = kinds;
  if (!kind) {
    throw new RexecError(`no connected viewer is "${what}", of that user, or at that session`, {
      code: "unknown_viewer",
      hint: "rexec viewers lists them",
      exitCode: ExitCode.rejected,
    });
  }
  if (kinds.length > 1)
    throw new UsageError(`"${what}" could be a ${kinds.join(" or a ")}`, `say which: --as ${kind}`);
  return kind;
}

/** Null: for administrators alone. */
function unlessForbidden(error: unknown): null {
  if (error instanceof HttpError && error.status === 403) return null;
  throw error;
}
