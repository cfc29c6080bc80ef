/** The agent's commands, the same in `rexec-agent …` and `rexec agent …`. */
import { installCommand } from "./install.ts";
import { registerCommand } from "./register.ts";
import { startCommand } from "./start.ts";
import { uninstallCommand } from "./uninstall.ts";

export const agentSubCommands = {
  register: registerCommand,
  start: startCommand,
  install: installCommand,
  uninstall: uninstallCommand,
};
