// After a button: waits until the books have done what was asked, then shows the page as it is now.

const EVERY_MS = 400;
const FOR_MS = 60_000;

async function follow(asked) {
  const until = Date.now() + FOR_MS;
  while (Date.now() < until) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    const answer = await fetch(asked.dataset.follow).catch(() => null);
    if (answer?.ok && !(await answer.json()).waiting) {
      await refresh();
      return;
    }
  }
}

async function refresh() {
  const answer = await fetch(window.location.href).catch(() => null);
  if (answer?.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.getElementById("content-main").replaceWith(page.getElementById("content-main"));
  }
}

const asked = document.querySelector("[data-follow]");
if (asked) {
  follow(asked);
}
