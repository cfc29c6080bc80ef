import { expect, test } from "bun:test";
import { addUser, Browser, PASSWORD, secretOf, signedIn } from "../../support/browser.ts";
import { startGateway } from "../../support/gateway.ts";
import { until } from "../../support/wait.ts";

test("what people do is kept with who did it, and never with a secret", async () => {
  await using gateway = await startGateway();
  await addUser(gateway, "ada");
  const ada = await signedIn(gateway, "ada");
  await ada.send("POST", "/api/sign-out");
  const typed = "my password, in the wrong field";
  await ada.signIn("ada", "wrong wrong wrong");
  await ada.signIn(typed, "wrong wrong wrong");
  const { url } = (await gateway.api("POST", "/api/invites", { name: "Bob" })).json;
  const bob = new Browser(gateway.url);
  await bob.form("/invite", { link: url, username: "bob", password: PASSWORD });
  await gateway.api("PATCH", "/api/users/bob", { admin: true });
  await gateway.api("PATCH", "/api/users/bob", { disabled: true });
  await gateway.api("DELETE", "/api/users/bob");
  const entries = await until(
    async () => {
      const { text, json } = await gateway.api("GET", "/api/audit?limit=100");
      return text.includes("user.removed") && json.entries;
    },
    5_000,
    "the entries",
  );
  const lines = entries.map(
    ({ action, user, target }: { action: string; user?: { name: string }; target?: string }) =>
      `${action} ${user?.name ?? "-"} ${target ?? "-"}`,
  );
  for (const line of [
    "user.created admin ada",
    "sign_in ada ada",
    "sign_out ada ada",
    "sign_in_failed - ada",
    "invite.accepted - bob",
    "sign_in bob bob",
    "user.promoted admin bob",
    "user.disabled admin bob",
    "user.removed admin bob",
  ]) {
    expect(lines).toContain(line);
  }
  const all = JSON.stringify(entries);
  for (const secret of [PASSWORD, typed, secretOf(url).slice(11), "wrong wrong"])
    expect(all).not.toContain(secret);
});
