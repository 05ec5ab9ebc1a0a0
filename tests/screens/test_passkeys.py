"""Passkeys in a real browser, against the running platform: Chromium has a device that can be driven."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fido2.utils import websafe_decode
from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from accounts.models import Role, User
from audit.models import AuditRecord
from tests.admin.conftest import operator
from tests.screens.conftest import VIEW
from tests.screens.watching import Watch
from tests.servers import Platform

pytestmark = pytest.mark.live

PASSWORD = "a-long-first-word-42"
_DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# What a page does with what the server says to ask.
_SIGN = """async (options) => (await navigator.credentials.get({
    publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options),
})).toJSON()"""


@dataclass
class Visit:
    """An operator at a browser with a device, at the name that passkeys are for."""

    user: User
    page: Page
    watch: Watch
    protocol: CDPSession
    device: str
    base: str

    def type_name_and_password(self) -> None:
        self.page.goto(f"{self.base}/admin/login/?next=/admin/my-security/")
        self.page.fill("input[name=username]", self.user.username)
        self.page.fill("input[name=password]", PASSWORD)

    def log_in(self) -> None:
        """By password alone, as long as there is no second factor."""
        self.type_name_and_password()
        self.page.click("button[type=submit]")
        self.page.wait_for_selector("#passkeys")

    def add_passkey(self) -> None:
        self.log_in()
        self.page.fill("#passkeys input[name=name]", "Work laptop")
        self.page.click("#passkeys .bo-passkey")
        self.page.wait_for_selector("#codes")

    def leave(self) -> None:
        self.page.context.clear_cookies()

    def credentials(self) -> list[dict[str, Any]]:
        told = self.protocol.send("WebAuthn.getCredentials", {"authenticatorId": self.device})
        found: list[dict[str, Any]] = told["credentials"]
        return found

    def asked_to_log_in(self) -> dict[str, Any]:
        body = {"username": self.user.username, "password": PASSWORD}
        answer = httpx.post(f"{self.base}/api/v1/auth/webauthn/login/options", json=body)
        options: dict[str, Any] = answer.json()["publicKey"]
        return options

    def told(self, answer: dict[str, Any]) -> tuple[int, str | None]:
        body = {"username": self.user.username, "password": PASSWORD, "passkey": answer}
        told = httpx.post(f"{self.base}/api/v1/auth/login", json=body)
        return told.status_code, told.json().get("code")


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def visit(platform: Platform, browser: Browser, theme: str) -> Iterator[Visit]:
    user = operator(Role.SUPPORT)
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])
    context: BrowserContext = browser.new_context(viewport=VIEW, color_scheme=theme)  # type: ignore[arg-type]
    page = context.new_page()
    protocol = context.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    device = protocol.send("WebAuthn.addVirtualAuthenticator", {"options": _DEVICE})["authenticatorId"]
    base = platform.base_url.replace("127.0.0.1", "localhost")
    yield Visit(user, page, Watch(page), protocol, device, base)
    context.close()


def test_is_added_and_logs_in(visit: Visit, theme: str) -> None:
    visit.add_passkey()
    visit.watch.keep(f"my-security-codes-{theme}")
    assert visit.page.locator("#codes li").count() == 10
    (made,) = visit.credentials()
    assert made["rpId"] == "localhost"

    visit.leave()
    visit.type_name_and_password()
    visit.watch.keep(f"login-{theme}")
    visit.page.click(".bo-passkey")
    visit.page.wait_for_selector("#passkeys")

    visit.watch.visit(f"{visit.base}/admin/my-security/")
    visit.watch.keep(f"my-security-{theme}")
    assert visit.page.locator("#passkeys tbody tr").count() == 1
    assert visit.watch.problems == []
    if theme == "light":
        visit.page.click("#app button")
        visit.page.wait_for_selector("#setup .bo-qr")
        visit.watch.keep("my-security-app")


@pytest.mark.parametrize("theme", ["light"], indirect=True)
class TestRefused:
    def test_a_copy_of_the_device_that_counts_from_the_start_again(self, visit: Visit) -> None:
        visit.add_passkey()
        for _ in range(2):
            visit.leave()
            visit.type_name_and_password()
            visit.page.click(".bo-passkey")
            visit.page.wait_for_selector("#passkeys")
        (made,) = visit.credentials()
        copy = made | {"signCount": 0}
        name = {"authenticatorId": visit.device, "credentialId": made["credentialId"]}
        visit.protocol.send("WebAuthn.removeCredential", name)
        visit.protocol.send("WebAuthn.addCredential", {"authenticatorId": visit.device, "credential": copy})

        visit.leave()
        visit.type_name_and_password()
        visit.page.click(".bo-passkey")

        visit.page.wait_for_selector("text=counted back")
        visit.watch.keep("login-cloned")
        record = AuditRecord.objects.get(action="accounts.passkey.cloned", target_id=str(visit.user.pk))
        assert record.before == {"sign_count": made["signCount"]}
        assert record.after["sign_count"] < made["signCount"]

    def test_an_answer_given_before(self, visit: Visit) -> None:
        visit.add_passkey()
        answer = visit.page.evaluate(_SIGN, visit.asked_to_log_in())

        assert visit.told(answer)[0] == 200
        assert visit.told(answer) == (401, "passkey_challenge_gone")

    def test_an_answer_from_another_page_of_the_same_name(self, visit: Visit) -> None:
        """A browser lets every port of a name ask for its passkeys; the site takes its own page's alone."""
        visit.add_passkey()
        options = visit.asked_to_log_in()
        other = "http://localhost:9/"
        visit.page.route(
            other, lambda route: route.fulfill(body="<p>Not the site.</p>", content_type="text/html")
        )
        visit.page.goto(other)
        answer = visit.page.evaluate(_SIGN, options)

        assert (
            json.loads(websafe_decode(answer["response"]["clientDataJSON"]))["origin"] == "http://localhost:9"
        )
        assert visit.told(answer) == (401, "second_factor_wrong")
