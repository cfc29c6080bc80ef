import { expect, test } from "bun:test";
import { startGateway, type TestGateway } from "../support/gateway.ts";
import { V1Agent } from "../support/v1-agent.ts";
import { V1Viewer } from "../support/v1-viewer.ts";
import { V2Agent } from "../support/v2-agent.ts";
import { V2Viewer } from "../support/v2-viewer.ts";
import { until } from "../support/wait.ts";

test("one user's sessions are counted over all agents, and an ended one makes room", async () => {
  await using gateway = await startGateway({ quotas: { sessions: 2 } });
  await using first = await v2Agent(gateway, "first");
  await using second = await v2Agent(gateway, "second");
  await using _a = await first.view("a").attach();
  await using _b = await second.view("b").attach();
  await using late = first.view("c");
  await late.connect();
  ask(late);
  expect(await refusal(late)).toMatchObject({
    code: "too_many_sessions",
    message: expect.stringContaining("2 sessions"),
  });
  // What runs already is looked at as ever.
  await using _again = await first.view("a").attach();
  second.agent.end("b", 0);
  await until(
    async () => {
      await using other = first.view("c");
      await other.connect();
      ask(other);
      return (await refusal(other)) === null;
    },
    5_000,
    "room for another session",
  );
});

test("sessions asked for at the same moment do not pass the quota together", async () => {
  await using gateway = await startGateway({ quotas: { sessions: 3 } });
  await using box = await v2Agent(gateway, "box");
  const viewers = Array.from({ length: 12 }, (_, index) => box.view(`s${index}`));
  const refusals = await Promise.all(
    viewers.map(async (viewer) => {
      await viewer.connect();
      ask(viewer);
      return refusal(viewer);
    }),
  );
  for (const viewer of viewers) await viewer[Symbol.asyncDispose]();
  expect(refusals.filter((one) => one === null).length).toBe(3);
  expect(box.agent.shells.size).toBe(3);
});

test("by rexec.v1 a session beyond the quota is refused with words, and one that runs is not", async () => {
  await using gateway = await startGateway({ quotas: { sessions: 1 } });
  const { id, token } = await gateway.register();
  await using _agent = await V1Agent.connect(gateway, { id, token });
  await using main = await V1Viewer.connect(gateway, id, "one");
  await told(main, "shell_started");
  await using own = await V1Viewer.connect(gateway, id, "two", "newSession=true");
  expect((await told(own, "shell_error")).data.error).toContain("--max-sessions");
  await using joined = await V1Viewer.connect(gateway, id, "three");
  await told(joined, "shell_started");
});

test("an agent that names sessions it was not asked for does not use up its owner's quota", async () => {
  await using gateway = await startGateway({ quotas: { sessions: 100 } });
  await using liar = await v2Agent(gateway, "liar", (agent) => {
    for (let n = 0; n < 500; n += 1) agent.shell(`ghost-${n}`);
  });
  await using honest = await v2Agent(gateway, "honest");
  await using _liars = await liar.view("ghost-0").attach();
  await using viewer = await honest.view("main").attach();
  expect(viewer.messages.filter(({ type }) => type === "refused")).toEqual([]);
});

// --- internal ---

function told(viewer: V1Viewer, type: string) {
  return viewer.find((message) => message.type === type, type);
}

function ask(viewer: V2Viewer): void {
  const { id, session } = viewer;
  viewer.send({ type: "attach", channel: 7, session, create: true, viewer: id, output: true, hold: false });
}

async function v2Agent(gateway: TestGateway, name: string, before: (agent: V2Agent) => void = () => {}) {
  const { id, token } = await gateway.register(name);
  const agent = new V2Agent(() => `${gateway.url}/ws/agent/${id}`, token);
  before(agent);
  await agent.connect();
  const url = () => `${gateway.url}/ws/agent/${id}/terminal`;
  return {
    agent,
    view: (session: string) => new V2Viewer(url, gateway.token, { session, create: true }),
    [Symbol.asyncDispose]: () => agent[Symbol.asyncDispose](),
  };
}

/** Null where it was attached. */
async function refusal(viewer: V2Viewer) {
  const answer = () => viewer.messages.find(({ type }) => type === "attached" || type === "refused");
  await until(() => answer() !== undefined, 10_000, "an answer to attach");
  const message = answer();
  return message?.type === "refused" ? message : null;
}
