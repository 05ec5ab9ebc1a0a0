// Asks a passkey what the server says to ask, puts its answer into the form and sends the form.
// A form takes part by data-passkey (the address to ask at) and a button of the class bo-passkey.

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const button = form.querySelector(".bo-passkey");
  button.hidden = false;
  button.addEventListener("click", () => ask(form, button));
}

async function ask(form, button) {
  if (![...form.elements].every((field) => field.reportValidity())) return;
  button.disabled = true;
  say(form, "");
  try {
    const answer = await fetch(form.dataset.passkey, { method: "POST", body: new FormData(form) });
    const told = await answer.json().catch(() => null);
    if (!told) throw new Error("Too many failed attempts, or the server is away: try again later.");
    if (!answer.ok) throw new Error(told.detail);
    say(form, "Waiting for your passkey.");
    form.elements.passkey.value = JSON.stringify((await asked(told.publicKey)).toJSON());
    form.submit();
  } catch (error) {
    say(form, inWords(error));
    button.disabled = false;
  }
}

// To make a passkey the server names the person it is for.
function asked(options) {
  if (!window.PublicKeyCredential?.parseRequestOptionsFromJSON) {
    throw new Error("This browser knows no passkeys, or this page is not served securely: use a code.");
  }
  const site = options.rpId ?? options.rp.id;
  if (location.hostname !== site && !location.hostname.endsWith(`.${site}`)) {
    throw new Error(`Passkeys of this site are for ${site}: open it by that name.`);
  }
  return options.user
    ? navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
}

function inWords(error) {
  if (error.name === "NotAllowedError") return "No passkey answered: it was refused, or took too long.";
  if (error.name === "InvalidStateError") return "This device holds a passkey of yours already.";
  return error.message;
}

function say(form, words) {
  form.querySelector(".bo-passkey-says").textContent = words;
}
