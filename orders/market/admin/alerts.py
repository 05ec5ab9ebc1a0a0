"""Price alerts: who waits for which price, and what fired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from audit.admin.acting import actor_of
from instruments.admin import show as market
from instruments.scaling import decimals_of, grouped, text
from orders.admin import show as trading
from orders.admin.filters import AccountFilter, InstrumentFilter
from orders.market.models import AlertDirection, AlertState, PriceAlert
from orders.market.services.alerting import cancel_for
from orders.models import Trade
from tradeplatform.common.admin import show
from tradeplatform.common.admin.buttons import Button, Done, Effect
from tradeplatform.common.admin.details import DetailMixin
from tradeplatform.common.admin.filters import ChoiceFilter
from tradeplatform.common.admin.lists import KeysetList
from tradeplatform.common.admin.panels import Fact, Facts, Panel
from tradeplatform.common.admin.show import Tone

_TONES = {AlertState.ACTIVE: Tone.INFO, AlertState.FIRED: Tone.GOOD, AlertState.CANCELLED: Tone.QUIET}


class WalkedInstrumentFilter(InstrumentFilter):
    """Of one instrument; no index leads there in the order of ids."""

    indexed = False


class StateFilter(ChoiceFilter):
    """Active, fired or cancelled; likewise."""

    title, parameters, options, indexed = "state", ("state",), AlertState.choices, False


class CancelAlert(Button):
    """Cancel somebody's alert."""

    name, label, icon = "cancel", "Cancel alert", "notifications_off"
    permission = "marketdata.cancel_pricealert"

    def shown(self, obj: PriceAlert) -> bool:
        """While it waits."""
        return obj.state == AlertState.ACTIVE

    def why_not(self, obj: PriceAlert) -> str:
        """It waits no more."""
        return "" if obj.state == AlertState.ACTIVE else f"The alert is {obj.state} already."

    def intro(self, obj: PriceAlert) -> str:
        """What the owner loses."""
        return "Its owner is not told of this price any more. A cancelled alert does not come back."

    def effects(self, obj: PriceAlert, data: Mapping[str, Any]) -> Sequence[Effect]:
        """What changes."""
        return [Effect("State", state(obj), "Cancelled"), Effect("Waits for", waits_for(obj), "nothing")]

    def act(self, obj: PriceAlert, data: Mapping[str, Any]) -> Done:
        """Cancel it."""
        cancel_for(alert_id=obj.pk, actor=actor_of(self.request), now=timezone.now(), reason=data["reason"])
        return Done(f"Alert {obj.pk} was cancelled.")


@admin.register(PriceAlert)
class PriceAlertAdmin(DetailMixin, KeysetList):
    """All alerts, the newest first."""

    question = "Who waits for which price, and who was told?"
    when_empty = "Nobody has asked for a price yet: see POST /api/v1/alerts."
    list_display = ("name", "account_shown", "market_shown", "waits", "stands", "fired", "moment", "placed")
    list_display_links = ("name",)
    list_filter = (AccountFilter, WalkedInstrumentFilter, StateFilter)
    buttons: ClassVar[list[type[Button]]] = [CancelAlert]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriceAlert]:
        """With account and market."""
        return PriceAlert.objects.select_related("account", "instrument__base", "instrument__quote")

    @admin.display(description="Alert")
    def name(self, alert: PriceAlert) -> SafeString | str:
        """Its number."""
        return show.mono(alert.pk)

    @admin.display(description="Account")
    def account_shown(self, alert: PriceAlert) -> SafeString | str:
        """Whose."""
        return show.ref(alert.account)

    @admin.display(description="Instrument")
    def market_shown(self, alert: PriceAlert) -> SafeString | str:
        """Of what."""
        return trading.instrument(alert.instrument)

    @admin.display(description="Waits for")
    def waits(self, alert: PriceAlert) -> str:
        """The price, of what, from where."""
        return waits_for(alert)

    @admin.display(description="State")
    def stands(self, alert: PriceAlert) -> SafeString:
        """Active, fired or cancelled."""
        return state(alert)

    @admin.display(description="Fired by")
    def fired(self, alert: PriceAlert) -> SafeString | str:
        """The price that reached it."""
        return market.price(alert.fired_price, alert.instrument)

    @admin.display(description="Fired (UTC)")
    def moment(self, alert: PriceAlert) -> SafeString | str:
        """When."""
        return show.when(alert.fired_at)

    @admin.display(description="Placed (UTC)")
    def placed(self, alert: PriceAlert) -> SafeString | str:
        """Since when it waits."""
        return show.when(alert.created_at)

    def heading(self, alert: PriceAlert) -> str:
        """Its number."""
        return f"Alert {alert.pk}"

    def badges(self, alert: PriceAlert) -> Iterable[SafeString]:
        """Where it stands."""
        return [state(alert)]

    def panels(self, request: HttpRequest, alert: PriceAlert) -> Iterable[Panel]:
        """What it waits for, and what became of it."""
        yield Facts(
            "",
            [
                Fact("Account", show.ref(alert.account)),
                Fact("Instrument", trading.instrument(alert.instrument)),
                Fact("Waits for", waits_for(alert)),
                Fact("Request id", show.mono(alert.request_id), "The client's own"),
                Fact("Placed (UTC)", show.when(alert.created_at)),
                Fact("Sees trades after seq", show.number(show.whole(alert.after_seq))),
                Fact("Fired by", self.fired(alert)),
                Fact("Fired (UTC)", show.when(alert.fired_at), "Time of the trade or quote"),
                Fact("Trade", show.ref_to(Trade, alert.trade_id)),
                Fact("Told (UTC)", show.when(alert.told_at), "When it was given to the feed"),
                Fact("Cancelled (UTC)", show.when(alert.cancelled_at)),
            ],
            wide=True,
        )


def state(alert: PriceAlert) -> SafeString:
    """Where it stands."""
    return show.badge(alert.get_state_display(), _TONES[AlertState(alert.state)])


def waits_for(alert: PriceAlert) -> str:
    """Such as: Last trade at or above 50 000.00."""
    price = grouped(text(alert.price, decimals_of(alert.instrument.tick_size)))
    return f"{alert.get_watches_display()} {AlertDirection(alert.direction).label.lower()} {price}"
