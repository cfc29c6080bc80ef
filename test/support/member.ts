/** A user with one right over an agent. */
import { makeToken } from "../../src/gateway/auth/token.ts";
import type { TestGateway } from "./gateway.ts";

export interface Member {
  userId: string;
  username: string;
  token: string;
  /** Takes the right away. */
  lose(): Promise<void>;
}

export async function member(
  gateway: TestGateway,
  agentId: string,
  level: "view" | "use" | "manage",
  username = `member-${crypto.randomUUID()}`,
): Promise<Member> {
  const { store } = gateway.gateway;
  const user = await store.users.create({ username, isAdmin: false });
  const made = makeToken();
  await store.tokens.create(made, { userId: user.id, name: "theirs", scopes: ["*"] });
  const grant = await gateway.api("POST", "/api/grants", { user: username, target: agentId, level });
  if (grant.status !== 201) throw new Error(`no grant: ${grant.text}`);
  return {
    userId: user.id,
    username,
    token: made.token,
    async lose() {
      const { status, text } = await gateway.api("DELETE", `/api/grants/${grant.json.id}`);
      if (status !== 200) throw new Error(`the grant stays: ${text}`);
    },
  };
}
