import { SETTINGS } from "../../gateway/config/settings.ts";
import { examineGateway } from "../../gateway/doctor/doctor.ts";
import { defineCommand, withHelp } from "../_cli.ts";
import { usualDownloads } from "../_downloads.ts";
import { showFindings } from "../_findings.ts";
import { serveConfig, serveFileArgs, settingArgs } from "../_serve-config.ts";

export const doctorCommand = withHelp(
  defineCommand({
    meta: { name: "doctor", description: "Check everything that a gateway needs, and say what to do" },
    args: {
      ...serveFileArgs,
      ...settingArgs,
      json: { type: "boolean", description: "Print the findings as one JSON object" },
    },
    async run({ args }) {
      const config = tryConfig(args);
      const named = config instanceof Error ? undefined : config.get(SETTINGS.downloads);
      const downloads = named === undefined ? usualDownloads() : [named];
      return showFindings(examineGateway({ config, downloads, env: process.env }), args.json === true);
    },
  }),
  {
    examples: [
      ["rexec admin doctor", "With the settings of the environment and the file"],
      ["sudo rexec admin doctor --config /etc/rexec/serve.yaml", "Of a gateway that runs as a service"],
    ],
    notes: [
      "Give it the options that the gateway is started with. It changes nothing, and works beside a gateway that runs. " +
        "REXEC_CA_FILE names certificates to trust beside the built-in ones (PEM).",
    ],
    exitCodes: { 1: "at least one check failed" },
  },
);

// --- internal ---

function tryConfig(args: Readonly<Record<string, unknown>>) {
  try {
    return serveConfig(args);
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}
