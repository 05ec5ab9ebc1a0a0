"""A life of dealing: every kind of deal, in two currencies, with commission, credit and protection."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from instruments.models import Instrument
from liquidity.services import dealing
from liquidity.services.stopping_out import liquidate
from liquidity.services.swapping import swap_night
from liquidity.services.watching import watch_exits
from tests.factories import ACTOR, make_group
from tests.liquidity.floor import Floor, make_floor, only_open


def lived_dealing() -> Floor:
    """A floor on which something stays open."""
    floor = make_floor()
    symbols = list(floor.instruments)
    Instrument.objects.filter(symbol__in=symbols).update(swap_long=Decimal("-7.5"), swap_short=Decimal("3.3"))
    group = make_group(
        markup_steps=3, commission_asset=floor.assets["EUR"], commission_per_contract=Decimal("3.7")
    )
    euro = floor.account(currency="EUR", hedging=True, group=group)
    floor.buy(euro, "0.3", "XAUUSD")
    floor.sell(euro, "0.17", "XAUUSD")
    floor.buy(euro, "0.2", "USDJPY", stop_loss="149")
    dollar = floor.account(group=group)
    floor.buy(dollar, "0.3")
    floor.sell(dollar, "0.37")
    poor = floor.account(200)
    floor.lend(poor, "50")
    floor.buy(poor, "0.2")
    swap_night(floor.now.date(), now=floor.now + timedelta(seconds=20))
    first, second = euro.positions.order_by("id")[:2]
    dealing.close_by(floor.ask(euro), position_id=first.pk, opposite_id=second.pk)
    floor.quote("USDJPY", "148", "148.02")
    floor.quote("EURUSD", "1.0800", "1.0802")
    watch_exits(now=floor.now)
    liquidate(poor.pk, actor=ACTOR, now=floor.now, reason="level")
    dealing.reverse_position(floor.ask(dollar), position_id=only_open(dollar).pk)
    return floor
