/** A gateway with one scripted v2 agent, and viewers of it: `await using here = await v2Stage()`. */
import type { GatewayOptions } from "../../src/gateway/gateway.ts";
import { startGateway, type TestGateway } from "./gateway.ts";
import { V2Agent, type V2AgentOptions } from "./v2-agent.ts";
import { V2Viewer, type V2ViewerOptions } from "./v2-viewer.ts";

export interface V2Stage extends AsyncDisposable {
  gateway: TestGateway;
  agent: V2Agent;
  agentId: string;
  /** Not connected yet. @param base another way to the gateway: a proxy's address */
  viewer(options?: V2ViewerOptions, base?: () => string): V2Viewer;
  /** Of another user. */
  viewerOf(token: string, options?: V2ViewerOptions): V2Viewer;
}

export async function v2Stage(
  options: Partial<GatewayOptions> = {},
  agentOptions: V2AgentOptions = {},
  agentBase?: (gateway: TestGateway) => () => string,
): Promise<V2Stage> {
  const gateway = await startGateway({ timings: { tickMs: 20, ...options.timings }, ...without(options) });
  const registered = await gateway.register();
  const base = agentBase?.(gateway) ?? (() => gateway.url);
  const agent = new V2Agent(() => `${base()}/ws/agent/${registered.id}`, registered.token, agentOptions);
  await agent.connect();
  return {
    gateway,
    agent,
    agentId: registered.id,
    viewer: (viewerOptions, viewerBase = () => gateway.url) =>
      new V2Viewer(() => `${viewerBase()}/ws/agent/${registered.id}/terminal`, gateway.token, viewerOptions),
    viewerOf: (token, viewerOptions) =>
      new V2Viewer(() => `${gateway.url}/ws/agent/${registered.id}/terminal`, token, viewerOptions),
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await gateway[Symbol.asyncDispose]();
    },
  };
}

// --- internal ---

function without({ timings: _, ...rest }: Partial<GatewayOptions>): Partial<GatewayOptions> {
  return rest;
}
