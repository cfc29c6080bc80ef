/** The agent's commands, the same in `rexec-agent …` and `rexec agent …`. */

export const agentSubCommands = {
  register: () => import("./register.ts").then((module) => module.registerCommand),
  start: () => import("./start.ts").then((module) => module.startCommand),
  stop: () => import("./stop.ts").then((module) => module.stopCommand),
  restart: () => import("./restart.ts").then((module) => module.restartCommand),
  status: () => import("./status.ts").then((module) => module.statusCommand),
  logs: () => import("./logs.ts").then((module) => module.logsCommand),
  install: () => import("./install.ts").then((module) => module.installCommand),
  uninstall: () => import("./uninstall.ts").then((module) => module.uninstallCommand),
  "refresh-token": () => import("./refresh-token.ts").then((module) => module.refreshTokenCommand),
  unregister: () => import("./unregister.ts").then((module) => module.unregisterCommand),
  update: () => import("./update.ts").then((module) => module.updateCommand),
  doctor: () => import("./doctor.ts").then((module) => module.doctorCommand),
  continue: () => import("./continue.ts").then((module) => module.continueCommand),
  completion: () => import("./completion.ts").then((module) => module.completionCommand),
  "self-test": () => import("./self-test.ts").then((module) => module.selfTestCommand),
  "auto-update": () => import("./auto-update.ts").then((module) => module.autoUpdateCommand),
};
