import { requireAgentId } from "../../agent/config/config.ts";
import { runtimePlaces } from "../../agent/control/place.ts";
import { findAgent } from "../../agent/daemon/find.ts";
import { type RefreshOutcome, refreshToken } from "../../agent/enroll/refresh-token.ts";
import { ExitCode } from "../../lib/errors.ts";
import { isJwt } from "../../protocol/token.ts";
import { defineCommand, say, withHelp } from "../_cli.ts";
import { agentArgs, agentLogger, loadAgentConfig } from "./_options.ts";
import { askToken } from "./_token.ts";

export const refreshTokenCommand = withHelp(
  defineCommand({
    meta: { name: "refresh-token", description: "Give the agent another API token" },
    args: {
      token: {
        type: "string",
        valueHint: "TOKEN",
        description: "The new token (or set REXEC_TOKEN; else it is asked for, unseen)",
      },
      ...agentArgs,
    },
    async run({ args }) {
      const loaded = loadAgentConfig(args, agentLogger(args));
      const { file, agentId } = requireAgentId(loaded);
      const given = loaded.joinToken ?? (loaded.tokenOrigin === "file" ? null : loaded.token);
      const token = given ?? (await askToken(loaded.host));
      const agent = await findAgent(runtimePlaces(loaded.path, process.env));
      const { host, insecure, caFile } = loaded;
      const outcome = await refreshToken({
        ...{ file, agentId, host, insecure, caFile, token, agent },
        env: process.env,
      });
      say(
        outcome.isExchanged
          ? `the token that you gave may do more than connect this agent: the server made one for the agent alone, which is in ${loaded.path}`
          : `the new token is in ${loaded.path}`,
      );
      for (const warning of outcome.warnings) say(`warning: ${warning}`);
      if (isJwt(outcome.token)) say("warning: it is a login token (JWT), which expires after 24 hours");
      return report(outcome);
    },
  }),
  {
    examples: [
      ["rexec-agent refresh-token", "Asks for it; a running agent reconnects at once"],
      ["REXEC_TOKEN=… rexec-agent refresh-token", "Without a question"],
    ],
    notes: [
      "A token that may do more than connect this agent is exchanged for one that may not, where the server makes such; the " +
        "agent's former token is revoked then.",
      "The server is asked first whether the token is valid and may use this agent; where not, nothing is changed. Shells " +
        "that are open stay open.",
    ],
  },
);

// --- internal ---

function report({ running, isOverridden, isExchanged, former }: RefreshOutcome): number {
  if (isExchanged) say("the one that you gave was neither written down nor revoked");
  if (former.kind === "revoked") say("the token that this machine had before was revoked");
  if (former.kind === "kept")
    say(`warning: the token that this machine had before was not revoked: ${former.why}`);
  switch (running.kind) {
    case "none":
      say("no agent runs: it counts from the next start on");
      break;
    case "connected":
      say("the running agent has reconnected with it; its shells stayed open");
      break;
    case "trying":
      say("the running agent has it, but cannot reach the server now: it goes on trying");
      break;
    case "refused":
      say(`warning: the running agent has not taken it: ${running.reason}`);
      say("  restart it, so that the token takes effect");
  }
  if (isOverridden) {
    say(
      "warning: the running agent was started with REXEC_TOKEN set, which overrules the file at its next start:",
    );
    say("  take it out of the agent's environment");
  }
  return running.kind === "refused" ? ExitCode.failed : ExitCode.ok;
}
