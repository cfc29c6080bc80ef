import { DEFAULT_HOST, loadConfig } from "../../agent/config/config.ts";
import { newConfigPath } from "../../agent/config/file.ts";
import { meantConfig } from "../../agent/config/meant.ts";
import { examine } from "../../agent/doctor/doctor.ts";
import { defineCommand, withHelp } from "../_cli.ts";
import { showFindings } from "../_findings.ts";
import { actAsOwner, agentArgs, ENVIRONMENT_NOTE } from "./_options.ts";

export const doctorCommand = withHelp(
  defineCommand({
    meta: { name: "doctor", description: "Check everything that the agent needs, and say what to do" },
    args: {
      host: {
        type: "string",
        valueHint: "URL",
        description: "Server to check the way to (default: the one that this machine is registered at)",
      },
      json: { type: "boolean", description: "Print the findings as one JSON object" },
      ...agentArgs,
    },
    async run({ args }) {
      const { env } = process;
      const meant = meantConfig(args.config, env);
      if (meant !== null) actAsOwner(meant);
      const checks = examine({
        config: tryLoad({ ...args, config: meant ?? args.config }),
        configPath: meant ?? newConfigPath(env, process.getuid?.() === 0),
        program: process.execPath,
        host: args.host || env.REXEC_HOST || env.REXEC_API || DEFAULT_HOST,
        env,
      });
      return showFindings(checks, args.json === true);
    },
  }),
  {
    examples: [
      ["rexec-agent doctor", "A line for each check; works on a machine that is not registered, too"],
      ["rexec-agent doctor --host https://rexec.example.com", "Before registering there"],
    ],
    notes: [
      "Changes nothing, and takes no session from an agent that runs. Each check ends within 5 seconds. The program that " +
        "runs as a service may have other rights and variables than you: sudo rexec-agent doctor looks at its configuration.",
      ENVIRONMENT_NOTE,
    ],
    exitCodes: { 1: "at least one check failed" },
  },
);

// --- internal ---

function tryLoad(args: {
  config?: string | undefined;
  host?: string | undefined;
  insecure?: boolean | undefined;
}) {
  try {
    const { config, host, insecure } = args;
    return loadConfig({ config, host, insecure, env: process.env });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
