/** Attacks on recordings by ids that a peer chooses: of commands, and of sessions. */
import { expect, test } from "bun:test";
import { startAgent } from "../support/agent.ts";
import { outputOf, recordingStage } from "../support/recording-stage.ts";
import { V2Viewer } from "../support/v2-viewer.ts";
import { until } from "../support/wait.ts";

for (const where of ["the same agent", "another agent"]) {
  test(`a command on ${where} under the id of a recorded session takes nothing of its recording`, async () => {
    await using stage = await recordingStage();
    const { gateway, agentId } = stage;
    await stage.policy("always", true);
    const other = await gateway.register("other");
    const agent = startAgent({ host: gateway.url, token: other.token, agentId: other.id });
    let acks: Timer | undefined;
    try {
      await until(() => gateway.gateway.hub.presence(other.id) !== null, 10_000, "the other agent");
      await using victim = stage.viewer();
      await victim.attach();
      const { instance } = (await victim.hears("attached")).info;
      const target = where === "another agent" ? other.id : agentId;
      await using mallory = new V2Viewer(() => `${gateway.url}/ws/agent/${target}/terminal`, gateway.token);
      await mallory.connect();
      mallory.send({ type: "run", channel: 9, run: instance, command: "echo ran; sleep 2" });
      const limit = 1024 * 1024;
      acks = setInterval(() => {
        for (const stream of [1, 2] as const)
          mallory.frame({ kind: "ack", stream, channel: 9, consumed: 0, limit });
      }, 50);
      await until(async () => (await stage.list()).some(({ kind }) => kind === "run"), 5_000, "the command");
      victim.type("echo sec''ret; exit\n");
      await victim.hears("ended");
      const ended = await until(
        async () => {
          const all = await stage.list();
          return all.length === 2 && all.every(({ state }) => state === "complete") && all;
        },
        15_000,
        "both recordings to end",
      );
      const castOf = (kind: string) => stage.cast(ended.find((one) => one.kind === kind)?.id ?? "");
      const [shell, run] = [await castOf("shell"), await castOf("run")];
      expect(outputOf(shell, "i")).toContain("sec''ret");
      expect(outputOf(shell)).toContain("secret");
      expect(run).not.toContain("sec''ret");
      expect(outputOf(run)).toBe("ran\n");
    } finally {
      clearInterval(acks);
      await agent.stop();
    }
  }, 30_000);
}
