/** launchd's property list, as text. */
import { commandOf, type ServiceSpec } from "./spec.ts";

/** The job's name; also that of its file. */
export const LABEL = "com.rexec.agent";

/** @param home of the account of a user's own job, for its log */
export function launchdPlist(spec: ServiceSpec, home: string): string {
  const log = spec.scope === "system" ? "/var/log/rexec-agent.log" : `${home}/Library/Logs/rexec-agent.log`;
  const text = (value: string) => `<string>${xmlText(value)}</string>`;
  const entries: [string, string][] = [
    ["Label", text(LABEL)],
    [
      "ProgramArguments",
      `<array>\n${commandOf(spec, "start")
        .map((word) => `\t\t${text(word)}\n`)
        .join("")}\t</array>`,
    ],
    ...(spec.user === null ? [] : [["UserName", text(spec.user)] satisfies [string, string]]),
    ["RunAtLoad", "<true/>"],
    ["KeepAlive", "<true/>"],
    // launchd's pauses do not grow.
    ["ThrottleInterval", "<integer>10</integer>"],
    ["ExitTimeOut", "<integer>30</integer>"],
    // Otherwise whatever people put into the background for good would be killed with the agent.
    ["AbandonProcessGroup", "<true/>"],
    // People wait for its shells: no throttling of processor and disk.
    ["ProcessType", text("Interactive")],
    ["StandardOutPath", text(log)],
    ["StandardErrorPath", text(log)],
  ];
  return `${[
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    "<!-- Written by rexec-agent install, which writes it anew when it is run again. -->",
    '<plist version="1.0">',
    "<dict>",
    ...entries.map(([key, value]) => `\t<key>${key}</key>\n\t${value}`),
    "</dict>",
    "</plist>",
  ].join("\n")}\n`;
}

// --- internal ---

function xmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
