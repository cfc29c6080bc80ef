import { expect, test } from "bun:test";
import { startGateway } from "../../support/gateway.ts";
import { type Heard, TestSocket } from "../../support/socket.ts";

test("an agent that answers no list is asked once at a time, however many clients want to know", async () => {
  await using gateway = await startGateway();
  const { id, token } = await gateway.register();
  const headers = { Authorization: `Bearer ${token}` };
  await using agent = new ListingAgent(`${gateway.url}/ws/agent/${id}`, {
    headers,
    protocols: ["rexec.v2", "rexec.v1"],
  });
  await agent.open();
  const asked = () => agent.messages.filter(({ type }) => type === "list").length;
  const ask = () => gateway.api("GET", `/api/agents/${id}/sessions`);
  const silent = await Promise.all(Array.from({ length: 100 }, ask));
  expect(new Set(silent.map(({ status }) => status))).toEqual(new Set([504]));
  expect(asked()).toBe(1);
  // It is asked anew after that, and one answer is for all who asked meanwhile.
  agent.answers = true;
  const late = await Promise.all([ask(), ask(), ask()]);
  expect(late.map(({ status, json }) => [status, json])).toEqual(
    Array.from({ length: 3 }, () => [200, { sessions: [] }]),
  );
  expect(asked()).toBeLessThanOrEqual(4);
}, 30_000);

class ListingAgent extends TestSocket {
  /** It says that it has no sessions, where it is asked. */
  answers = false;

  protected override heard({ type }: Heard): void {
    if (type === "list" && this.answers) this.send({ type: "sessions", sessions: [] });
  }
}
