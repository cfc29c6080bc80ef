import { expect } from "bun:test";
import { Secret, TOTP } from "otpauth";
import { Chromium } from "../../support/chromium.ts";
import { startGateway } from "../../support/gateway.ts";
import { testWith } from "../../support/needs.ts";

const PASSWORD = "correct horse battery";

/** Fills the fields of the page's form in and presses its button. */
const submit = (fields: Record<string, string>, button = "button") => `
  (() => {
    const fields = ${JSON.stringify(fields)};
    for (const [name, value] of Object.entries(fields)) document.querySelector("[name=" + name + "]").value = value;
    document.querySelector(${JSON.stringify(button)}).click();
  })()`;

testWith("chromium")(
  "a browser signs in, sets a second factor and a passkey up, and signs in by each, within the pages' policy",
  async () => {
    await using gateway = await startGateway();
    await gateway.api("PUT", "/api/account/password", { password: PASSWORD });
    const origin = gateway.url.replace("127.0.0.1", "localhost");
    await using browser = await Chromium.start();
    await browser.send("WebAuthn.enable");
    const authenticator = {
      protocol: "ctap2",
      transport: "internal",
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    };
    await browser.send("WebAuthn.addVirtualAuthenticator", { options: authenticator });

    await browser.open(`${origin}/sign-in?next=factors`);
    await browser.shows('!document.getElementById("passkey").hidden');
    await browser.ask(submit({ username: "admin", password: PASSWORD }));
    await browser.shows('document.title.startsWith("Second factor and passkeys")');

    await browser.ask(submit({}, "button[value=begin]"));
    await browser.shows('document.querySelector("svg")?.getBoundingClientRect().width === 232');
    const secret = String(await browser.ask('document.querySelector("code").textContent'));
    const code = (ahead: number) =>
      TOTP.generate({ secret: Secret.fromBase32(secret), timestamp: Date.now() + ahead * 30_000 });
    await browser.ask(submit({ code: code(-1) }, "button[value=confirm]"));
    await browser.shows('document.querySelector("pre").textContent.trim().split("\\n").length === 10');

    await browser.open(`${origin}/factors`);
    await browser.ask('document.getElementById("passkey-name").value = "phone"');
    await browser.ask('document.querySelector("#passkey button").click()');
    await browser.shows('document.querySelector("td")?.textContent === "phone"');

    await browser.open(`${origin}/account`);
    await browser.ask(submit({}, 'form[action="sign-out"] button'));
    await browser.shows('document.title.startsWith("Sign in")');
    await browser.ask(submit({ username: "admin", password: PASSWORD }));
    await browser.shows('document.title.startsWith("Second factor ·")');
    await browser.ask(submit({ code: code(0) }));
    await browser.shows('document.title.startsWith("Your account")');

    await browser.ask(submit({}, 'form[action="sign-out"] button'));
    await browser.shows('document.title.startsWith("Sign in")');
    await browser.open(`${origin}/sign-in?next=device`);
    await browser.shows('!document.getElementById("passkey").hidden');
    await browser.ask('document.querySelector("#passkey button").click()');
    await browser.shows('location.pathname === "/device"');

    const begun = (await gateway.api("POST", "/api/device/code", { client: "laptop" }, null)).json;
    await browser.ask(submit({ code: begun.user_code }));
    await browser.shows('document.querySelector("button[value=approve]") !== null');
    await browser.ask(submit({}, "button[value=approve]"));
    await browser.shows(
      'document.querySelector("[role=status]")?.textContent.includes("laptop is signed in") === true',
    );
    const granted = await gateway.api("POST", "/api/device/token", { device_code: begun.device_code }, null);
    expect(granted.status).toBe(200);
    // A browser asks for an icon that no page names.
    expect(browser.complaints.filter((each) => !each.includes("favicon"))).toEqual([]);
  },
  120_000,
);
