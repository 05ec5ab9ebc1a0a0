"""Writes down what a tab complains of, and keeps pictures of what it shows."""

from __future__ import annotations

import re

from playwright.sync_api import Page

from tradeplatform.config import BASE_DIR

PICTURES = BASE_DIR / "var" / "screenshots"
_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation",
    (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""

# Names and values whose text is wider than their column: it lies over the next one.
_RUN_OVER = """
[...document.querySelectorAll(".bo-facts > *")].filter(fact => {
    const text = document.createRange();
    text.selectNodeContents(fact);
    return text.getBoundingClientRect().right > fact.getBoundingClientRect().right + 1;
}).map(fact => fact.innerText)
"""

# Lists that must be moved sideways to show their last columns.
_CUT_OFF = """
[...document.querySelectorAll(".bo-list .simplebar-content-wrapper")]
    .map(list => list.scrollWidth - list.clientWidth).filter(hidden => hidden > 0)
"""


class Watch:
    """Console errors, page errors, failed requests and violations of the content security policy."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.add_init_script(_VIOLATIONS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("response", lambda answer: self._status(answer.status, answer.url))

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.problems.append(f"{self.page.url}: console {kind}: {text}")

    def _status(self, status: int, url: str) -> None:
        if status >= 400:
            self.problems.append(f"{self.page.url}: {status} {url}")

    def visit(self, url: str) -> None:
        """Open a page and note what is wrong with how it is laid out."""
        self.page.goto(url)
        self.look(url)

    def look(self, url: str) -> None:
        """Note what is wrong with how the page is laid out."""
        self.problems += [f"{url}: {text}" for text in self.page.evaluate("window.violations.splice(0)")]
        wide = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if wide > 0:
            self.problems.append(f"{url}: {wide} pixels wider than the window")
        for fact in self.page.evaluate(_RUN_OVER):
            self.problems.append(f"{url}: runs over its neighbour: {fact!r}")
        for hidden in self.page.evaluate(_CUT_OFF):
            self.problems.append(f"{url}: the list's last {hidden} pixels are out of view")
        if re.search(r"\d\.\d{15,}", self.page.inner_text("#content-main, #bo-live")):
            self.problems.append(f"{url}: a number with all its zeros")

    def keep(self, name: str) -> None:
        """A picture of the whole page under var/screenshots."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)

    def keep_both(self, name: str) -> None:
        """The page as it opened, then in its other theme, switched to by the key that people press.

        The browser remembers the switch, so the next page opens in the theme this one is left in. One that
        wishes dark opens the first page so: wishing light, the first press would only confirm it.
        """
        opened, other = ("dark", "light") if self.page.locator("html.dark").count() else ("light", "dark")
        self.keep(f"{opened}-{name}")
        self.page.keyboard.press("Control+e")
        self.page.wait_for_selector(f"html.{other}")
        self.look(f"{self.page.url} in {other}")
        self.keep(f"{other}-{name}")
