/** Kinds of settings: addresses that the audit log is sent to. */
import { transportOf } from "../audit/forward/transport.ts";
import { BadValue, type Kind, scalar } from "./kinds.ts";

/** The address of a syslog server: see `transportOf`. */
export const syslogAddress: Kind<string> = scalar("URL", (given) => {
  try {
    transportOf(new URL(given), null).close();
    return given;
  } catch {
    throw new BadValue(given, "give udp://HOST:514, tcp://HOST:601, tls://HOST:6514 or unix:///dev/log");
  }
});

/** The address of a webhook. A password in it would be shown by `--print-config`. */
export const webhookUrl: Kind<string> = scalar("URL", (given) => {
  const url = URL.canParse(given) ? new URL(given) : null;
  const isPlain = url !== null && url.username === "" && url.password === "";
  if (isPlain && (url.protocol === "https:" || url.protocol === "http:")) return url.href;
  throw new BadValue(given, "give the whole address, without a password: https://collector.example/rexec");
});
