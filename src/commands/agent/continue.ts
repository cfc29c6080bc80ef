import { askAgent } from "../../agent/control/client.ts";
import type { ControlAnswer } from "../../agent/control/messages.ts";
import { ephemeralPlaces } from "../../agent/ephemeral/place.ts";
import { ExitCode, RexecError } from "../../lib/errors.ts";
import { defineCommand, globalArgs, say, withHelp } from "../_cli.ts";

export const continueCommand = withHelp(
  defineCommand({
    meta: { name: "continue", description: "Let a CI job go on that waits in start --ephemeral" },
    args: globalArgs,
    async run() {
      const heard: ControlAnswer[] = [];
      for (const place of ephemeralPlaces(process.env)) {
        const answer = await askAgent(place, { do: "continue" });
        if (answer !== null) heard.push(answer);
      }
      if (heard.length === 0) {
        say("no ephemeral agent runs here");
        return ExitCode.notSetUp;
      }
      for (const answer of heard) {
        if (!answer.ok) throw new RexecError(answer.message, answer);
        say(`"${answer.name}" leaves, and the job goes on`);
      }
      return 0;
    },
  }),
  {
    examples: [["rexec-agent continue", "In a shell of that agent, or in a later step of the job"]],
    notes: [
      "In a shell of an ephemeral agent it is that one that leaves (REXEC_CONTROL names its control socket); elsewhere all of this account's on this machine.",
    ],
    exitCodes: { 3: "no ephemeral agent runs here" },
  },
);
