"""A client on a host of its own: sends orders to the API host and writes down what it was told of each."""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httpx

from tests.simulation.machines.network import Host

_PATIENCE = 10.0
_PAUSE = 0.05


@dataclass(slots=True)
class Journal:
    """By client order id: what was asked for, and what the client knows of it."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return (
            f"{len(self.acknowledged)} acknowledged, {len(self.refused)} refused, {len(self.unknown)} unknown"
        )


class Flow:
    """One trader with two accounts in one market, whose orders meet; one request at a time."""

    def __init__(self, host: Host, base_url: str, symbol: str, accounts: tuple[int, int]) -> None:
        """Sends nothing yet."""
        self._host, self._symbol, self._accounts = host, symbol, accounts
        self._base_url = base_url
        self.journal = Journal()
        self.token = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._send_all, name=symbol)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the request that is on its way."""
        self._stop.set()
        self._thread.join()

    def _send_all(self) -> None:
        with self._host.inside(), httpx.Client(base_url=self._base_url, timeout=_PATIENCE) as http:
            for side, account in itertools.cycle(zip(("sell", "buy"), self._accounts, strict=True)):
                if self._stop.wait(_PAUSE):
                    return
                self._send(http, self._order(side, account))

    def _order(self, side: str, account: int) -> dict[str, Any]:
        return {
            "account": account,
            "symbol": self._symbol,
            "side": side,
            "type": "limit",
            "quantity": "1",
            "price": "50000",
            "client_order_id": uuid.uuid4().hex,
        }

    def _send(self, http: httpx.Client, order: dict[str, Any]) -> None:
        name, journal = order["client_order_id"], self.journal
        place = f"{order['account']}/{name}"
        try:
            answer = http.post("orders", json=order, headers=self._headers())
        except httpx.HTTPError as error:
            journal.unknown[place] = type(error).__name__
            return
        if answer.is_success:
            journal.acknowledged[place] = answer.json()["id"]
        elif answer.is_client_error:
            journal.refused[place] = f"{answer.status_code} {answer.text[:100]}"
        else:
            journal.unknown[place] = str(answer.status_code)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def resolve(self) -> Counter[str]:
        """Ask for every order of which no outcome is known; what came out, by words."""
        found: Counter[str] = Counter()
        with self._host.inside(), httpx.Client(base_url=self._base_url, timeout=_PATIENCE) as http:
            for place in list(self.journal.unknown):
                answer = http.get(f"orders/by-client-id/{place}", headers=self._headers())
                if answer.status_code == HTTPStatus.OK:
                    self.journal.acknowledged[place] = answer.json()["id"]
                    found["was taken"] += 1
                elif answer.status_code == HTTPStatus.NOT_FOUND:
                    self.journal.refused[place] = "never arrived"
                    found["never arrived"] += 1
                else:
                    found[f"answered {answer.status_code}"] += 1
                    continue
                del self.journal.unknown[place]
        return found


def total(journals: Iterable[Journal]) -> Journal:
    """All of them as one."""
    whole = Journal()
    for journal in journals:
        whole.acknowledged |= journal.acknowledged
        whole.refused |= journal.refused
        whole.unknown |= journal.unknown
    return whole
