/** The lines that a person pastes on a machine to have it join a server. */
import { bareHost, isLoopback } from "./proxy.ts";
import { quoteWord } from "./quote.ts";

/** Each is one line for a POSIX shell. */
export interface InstallLines {
  curl: string;
  wget: string;
  /** Through sudo, which drops the environment: what is to reach the installer is named. */
  sudo: string;
  /** Where rexec-agent is there already. */
  register: string;
}

/**
 * @param url how the machine reaches the server, without a slash at the end
 * @param token a join token, or a word in its place
 */
export function installLines(url: string, token: string): InstallLines {
  const script = quoteWord(`${url}/install-agent.sh`);
  const insecure = insecureWords(url);
  const secrets = `${insecure}REXEC_TOKEN=${token}`;
  const kept = insecure ? "REXEC_TOKEN,REXEC_INSECURE" : "REXEC_TOKEN";
  return {
    curl: `curl -fsSL ${script} | ${secrets} sh`,
    wget: `wget -qO- ${script} | ${secrets} sh`,
    sudo: `curl -fsSL ${script} | ${secrets} sudo --preserve-env=${kept} sh`,
    register: `${secrets} rexec-agent register --host ${quoteWord(url)}`,
  };
}

/** What stands in front of a command where the agent and the CLI refuse the address without: plain http over a network. */
export function insecureWords(url: string): string {
  const { protocol } = new URL(url);
  return protocol === "http:" && !isLoopback(bareHost(new URL(url))) ? "REXEC_INSECURE=1 " : "";
}
