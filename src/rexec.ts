/** The person's program: reaches machines, is an agent where asked, and hosts the gateway. */
import { defineCommand, globalArgs, runProgram, withHelp } from "./commands/_cli.ts";
import { serverArgs } from "./commands/_server-args.ts";
import { agentSubCommands } from "./commands/agent/index.ts";

const agent = withHelp(
  defineCommand({
    meta: { name: "agent", description: "Everything that rexec-agent does" },
    args: globalArgs,
    subCommands: agentSubCommands,
  }),
  { examples: [["rexec agent register --name web-1", "The same as rexec-agent register --name web-1"]] },
);

const main = withHelp(
  defineCommand({
    meta: { name: "rexec", description: "Any Linux machine as a real terminal, with no open port." },
    args: { ...serverArgs, ...globalArgs },
    subCommands: {
      // Each is loaded when it is asked for, the imports of its module with it: `version` needs none of them.
      login: () => import("./commands/login.ts").then((module) => module.loginCommand),
      logout: () => import("./commands/logout.ts").then((module) => module.logoutCommand),
      use: () => import("./commands/use.ts").then((module) => module.useCommand),
      browsers: () => import("./commands/browsers.ts").then((module) => module.browsersCommand),
      passwd: () => import("./commands/passwd.ts").then((module) => module.passwdCommand),
      factors: () => import("./commands/factors.ts").then((module) => module.factorsCommand),
      whoami: () => import("./commands/whoami.ts").then((module) => module.whoamiCommand),
      ls: () => import("./commands/ls.ts").then((module) => module.lsCommand),
      connect: () => import("./commands/connect.ts").then((module) => module.connectCommand),
      exec: () => import("./commands/exec.ts").then((module) => module.execCommand),
      sessions: () => import("./commands/sessions.ts").then((module) => module.sessionsCommand),
      attach: () => import("./commands/attach.ts").then((module) => module.attachCommand),
      kill: () => import("./commands/kill.ts").then((module) => module.killCommand),
      recordings: () => import("./commands/recordings/index.ts").then((module) => module.recordingsCommand),
      join: () => import("./commands/join/index.ts").then((module) => module.joinCommand),
      accept: () => import("./commands/accept.ts").then((module) => module.acceptCommand),
      rm: () => import("./commands/rm.ts").then((module) => module.rmCommand),
      rename: () => import("./commands/rename.ts").then((module) => module.renameCommand),
      tag: () => import("./commands/tag.ts").then((module) => module.tagCommand),
      describe: () => import("./commands/describe.ts").then((module) => module.describeCommand),
      share: () => import("./commands/share.ts").then((module) => module.shareCommand),
      viewers: () => import("./commands/viewers.ts").then((module) => module.viewersCommand),
      control: () => import("./commands/control.ts").then((module) => module.controlCommand),
      kick: () => import("./commands/kick.ts").then((module) => module.kickCommand),
      token: () => import("./commands/token.ts").then((module) => module.tokenCommand),
      grant: () => import("./commands/grant.ts").then((module) => module.grantCommand),
      group: () => import("./commands/group.ts").then((module) => module.groupCommand),
      audit: () => import("./commands/audit.ts").then((module) => module.auditCommand),
      serve: () => import("./commands/serve.ts").then((module) => module.serveCommand),
      admin: () => import("./commands/admin/index.ts").then((module) => module.adminCommand),
      agent,
      complete: () => import("./commands/completion/ask.ts").then((module) => module.completeCommand),
      completion: () => import("./commands/completion/command.ts").then((module) => module.completionCommand),
    },
  }),
  {
    groups: [
      ["Sign in", ["login", "logout", "use", "whoami", "passwd", "factors", "browsers"]],
      ["Terminals and commands", ["connect", "exec", "sessions", "attach", "kill", "recordings"]],
      ["Machines", ["ls", "join", "accept", "rm", "rename", "tag", "describe"]],
      ["Other people", ["grant", "group", "share", "viewers", "control", "kick", "token", "audit"]],
      ["Programs", ["serve", "admin", "agent"]],
    ],
    examples: [
      ["rexec login", "Say who you are"],
      ["rexec join create", "Add a machine: prints the line to paste there"],
      ["rexec ls", "See your machines"],
      ["rexec connect web-1", "Open a shell on one"],
      ["rexec exec web-1 -- uptime", "Or run one command there"],
      ["rexec sessions", "See what runs, and go back to it with rexec attach"],
      ["rexec serve", "Host a gateway of your own"],
    ],
    notes: [
      "--config belongs to the agent commands and to serve, --host, --insecure and --ca-file to those that talk to a server.",
    ],
  },
);

await runProgram(main);
