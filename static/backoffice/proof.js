// Check now: the server proves rule by rule and tells each as one line of JSON; its row replaces the old one.

const form = document.getElementById("proof-form");
const bar = document.getElementById("proof-progress");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  say(0, 1, "Taking a snapshot");
  try {
    const answer = await fetch(form.dataset.url, {
      method: "POST",
      headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
    });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    let run = null;
    for await (const told of lines(answer.body)) {
      if (told.row) {
        document.getElementById(`proof-${told.code}`).outerHTML = told.row;
        say(told.place, told.of, `${told.place} of ${told.of} checked: ${told.code}`);
      } else {
        run = told;
      }
    }
    if (!run) throw new Error("the answer ended before the proof did");
    await finish(run);
  } catch (error) {
    say(0, 1, `Not proved: ${error.message}. Nothing was stored.`);
  } finally {
    button.disabled = false;
  }
});

function say(done, of, words) {
  bar.hidden = false;
  bar.querySelector("progress").max = of;
  bar.querySelector("progress").value = done;
  bar.querySelector("span").textContent = words;
}

async function finish(run) {
  // The page as it is now knows the new run: its heading and its list of runs.
  const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
  for (const id of ["proof-heading", "proof-history"]) {
    document.getElementById(id).replaceWith(page.getElementById(id));
  }
  const link = document.createElement("a");
  link.className = "bo-link";
  link.href = run.url;
  link.textContent = `proof ${run.run}`;
  const words = bar.querySelector("span");
  words.textContent = `Checked in ${run.seconds} seconds, stored as `;
  words.append(link);
}

async function* lines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) yield JSON.parse(part);
  }
}
