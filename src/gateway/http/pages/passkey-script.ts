/** The script of the pages with a passkey: WebAuthn has no form. */

/** Where the pages load it from. */
export const PASSKEY_SCRIPT_NAME = "passkey.js";

export const PASSKEY_SCRIPT = `const box = document.getElementById("passkey");
const problem = document.getElementById("passkey-problem");
const button = box && box.querySelector("button");

async function post(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

async function signIn() {
  const { step, options } = await post("api/sign-in/passkey/options", {});
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  await post("api/sign-in/passkey", { step, credential: credential.toJSON() });
  location.assign(box.dataset.next);
}

async function add() {
  const name = document.getElementById("passkey-name").value.trim();
  const { step, options } = await post("api/account/passkeys/options", {});
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  await post("api/account/passkeys", { step, name, credential: credential.toJSON() });
  location.reload();
}

if (button && window.PublicKeyCredential && PublicKeyCredential.parseRequestOptionsFromJSON) {
  box.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    problem.hidden = true;
    try {
      await ("new" in box.dataset ? add() : signIn());
    } catch (error) {
      problem.textContent = error.name === "NotAllowedError" ? "The browser was not allowed to use a passkey." : error.message;
      problem.hidden = false;
    }
    button.disabled = false;
  });
}
`;
