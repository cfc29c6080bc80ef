/** A gateway under systemd: ready once it listens, stopping, and the watchdog's messages. */
import { notifier, watchdogMs } from "../../agent/service/notify.ts";
import { feedWatchdog } from "../../agent/service/supervised.ts";

/** What the running gateway tells; nothing of it does anything where no service manager listens. */
export interface GatewaySupervision {
  /** @param status a line for `systemctl status` */
  ready(status: string): void;
  /** Before connections are closed. */
  stopping(): void;
}

export function superviseGateway(env: Readonly<Record<string, string | undefined>>): GatewaySupervision {
  const notify = notifier(env);
  if (!notify) return { ready() {}, stopping() {} };
  return {
    ready(status) {
      notify("READY=1", `STATUS=${status}`);
      feedWatchdog(notify, watchdogMs(env));
    },
    stopping: () => notify("STOPPING=1", "STATUS=stopping: agents and viewers connect again"),
  };
}
