/** The person's program: reaches machines, is an agent where asked, and hosts the gateway. */
import { defineCommand, globalArgs, runProgram, withHelp } from "./commands/_cli.ts";
import { serverArgs } from "./commands/_server.ts";
import { attachCommand } from "./commands/attach.ts";
import { connectCommand } from "./commands/connect.ts";
import { execCommand } from "./commands/exec.ts";
import { killCommand } from "./commands/kill.ts";
import { loginCommand } from "./commands/login.ts";
import { logoutCommand } from "./commands/logout.ts";
import { lsCommand } from "./commands/ls.ts";
import { sessionsCommand } from "./commands/sessions.ts";
import { useCommand } from "./commands/use.ts";
import { whoamiCommand } from "./commands/whoami.ts";

const agent = withHelp(
  defineCommand({
    meta: { name: "agent", description: "Everything that rexec-agent does" },
    args: globalArgs,
    subCommands: () => import("./commands/agent/index.ts").then((module) => module.agentSubCommands),
  }),
  { examples: [["rexec agent register --name web-1", "The same as rexec-agent register --name web-1"]] },
);

const main = withHelp(
  defineCommand({
    meta: { name: "rexec", description: "Any Linux machine as a real terminal, with no open port." },
    args: { ...serverArgs, ...globalArgs },
    subCommands: {
      login: loginCommand,
      logout: logoutCommand,
      use: useCommand,
      whoami: whoamiCommand,
      ls: lsCommand,
      connect: connectCommand,
      exec: execCommand,
      sessions: sessionsCommand,
      attach: attachCommand,
      kill: killCommand,
      // Loaded when it is asked for: a command on a remote machine needs no database.
      serve: () => import("./commands/serve.ts").then((module) => module.serveCommand),
      agent,
      complete: () => import("./commands/completion/ask.ts").then((module) => module.completeCommand),
      completion: () => import("./commands/completion/command.ts").then((module) => module.completionCommand),
    },
  }),
  {
    examples: [
      ["rexec login", "Say who you are"],
      ["rexec ls", "See your machines"],
      ["rexec connect web-1", "Open a shell on one"],
      ["rexec exec web-1 -- uptime", "Or run one command there"],
      ["rexec sessions", "See what runs, and go back to it with rexec attach"],
      ["rexec serve", "Host a gateway of your own"],
    ],
    notes: [
      "--config belongs to the agent commands, --host, --insecure and --ca-file to those that talk to a server.",
    ],
  },
);

await runProgram(main);
