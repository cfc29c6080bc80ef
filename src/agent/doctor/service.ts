/** Whether an agent runs here, how, and whether something starts it at boot. */
import { existsSync } from "node:fs";
import { RexecError } from "../../lib/errors.ts";
import type { Answer } from "../../lib/finding.ts";
import { homeFolder } from "../../lib/home.ts";
import { VERSION } from "../../lib/version.ts";
import { askStatus } from "../control/client.ts";
import type { AgentStatus } from "../control/messages.ts";
import { runtimePlaces } from "../control/place.ts";
import { chooseManager } from "../service/managers.ts";
import type { Recipe } from "../service/recipe.ts";
import { runner } from "../service/run.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What the control socket says; null where no agent of this configuration runs. */
export interface Running {
  status: AgentStatus | null;
}

/** @param checked origin of the server that is checked: the running agent may be at another one */
export async function tryService(
  configPath: string,
  env: Environment,
  checked: string,
): Promise<Answer<Running>> {
  const status = await runningStatus(configPath, env);
  const service = await installedService(env);
  return status ? judgeRunning(status, checked) : judgeIdle(service);
}

// --- internal ---

/** Less than the step's own time, so that what does not answer is named. */
const ASK_MS = 3_000;

async function runningStatus(configPath: string, env: Environment): Promise<AgentStatus | null> {
  for (const place of runtimePlaces(configPath, env)) {
    const status = await askStatus(place, ASK_MS);
    if (status) return status;
  }
  return null;
}

/** The service whose file is there: the system's, else this account's own. */
async function installedService(env: Environment): Promise<Recipe | null> {
  const uid = process.getuid?.() ?? 0;
  const about = { init: undefined, env, home: homeFolder(env), uid, run: runner(env) };
  for (const scope of ["system", "user"] as const) {
    try {
      const { recipe } = await chooseManager({ ...about, scope });
      if (existsSync(recipe.file)) return recipe;
    } catch (error) {
      // No service manager here, or none for accounts.
      if (!(error instanceof RexecError)) throw error;
    }
  }
  return null;
}

function judgeRunning(status: AgentStatus, checked: string): Answer<Running> {
  const { pid, run, version, connection, last_error: failure } = status;
  const value = { status };
  const who = `runs (pid ${pid}, ${run}, version ${version})`;
  const isElsewhere = URL.canParse(status.host) && new URL(status.host).origin !== checked;
  const where = isElsewhere ? ` to ${status.host}, which is not what is checked here` : "";
  if (connection !== "connected") {
    const why = failure ? `: ${failure.message}` : "";
    const hint = isElsewhere
      ? "its log says why: rexec-agent logs; and rexec-agent doctor without --host"
      : "what stands above says why, or its log: rexec-agent logs";
    return { verdict: "failed", detail: `${who}, and is not connected${where}${why}`, hint, value };
  }
  const detail = `${who}, connected${where} since ${status.connected_since ?? "just now"}`;
  if (version === VERSION) return { detail, value };
  const hint = `this program is version ${VERSION}: the agent takes it with its next start`;
  return { verdict: "warning", detail, hint, value };
}

function judgeIdle(service: Recipe | null): Answer<Running> {
  const value = { status: null };
  if (service) {
    const detail = `the service is installed (${service.file}), and no agent runs`;
    return { verdict: "failed", detail, hint: `${service.status}; ${service.logs}`, value };
  }
  const hint = "start it (rexec-agent start), or install it as a service (rexec-agent install)";
  return { verdict: "warning", detail: "no agent runs with this configuration", hint, value };
}
