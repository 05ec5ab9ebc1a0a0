"""What is an amount of an asset that can be moved, and what is more than there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from instruments.models import Asset
from instruments.scaling import short_text, steps
from tradeplatform.common.db import read
from tradeplatform.common.errors import Code, Refusal

_MAX_AMOUNT = Decimal(10) ** 18
# As long as no more than this came from outside or from the house, no balance can outgrow NUMERIC(38, 18),
# whoever trades with whom: the drain must never meet a credit that the table cannot hold.
_MAX_SUPPLY = Decimal(10) ** 19
_MAX_DIGITS = 40  # after the point, zeros included


def insufficient(available: Decimal, held: Decimal, required: Decimal, asset: Asset) -> Refusal:
    """More is asked for than there is, with the numbers."""
    return Refusal(
        Code.INSUFFICIENT_FUNDS,
        f"Only {short_text(available)} {asset.code} is available: "
        f"{short_text(held)} is held by open orders and requests.",
        field="amount",
        asset=asset.code,
        available=short_text(available),
        held=short_text(held),
        required=short_text(required),
    )


def assets_named(codes: Iterable[str]) -> dict[str, Asset]:
    """The active assets among these codes."""
    wanted = list({code for code in codes if code.isprintable()})
    found = read(Asset, "WHERE code = ANY(%s::text[]) AND is_active", [wanted])
    return {asset.code: asset for asset in found}


def require_asset(assets: Mapping[str, Asset], code: str) -> Asset:
    """The one with this code. Raises Refusal unknown_asset."""
    asset = assets.get(code)
    if asset is None:
        raise Refusal(Code.UNKNOWN_ASSET, "No such asset.", asset=ascii(code[:32])[1:-1])
    return asset


def find_asset(code: str) -> Asset:
    """The active asset with this code. Raises Refusal unknown_asset."""
    return require_asset(assets_named([code]), code)


def check_positive(amount: Decimal) -> None:
    """A negative deposit is not a withdrawal: the sign of the two is fixed by their names."""
    if not amount.is_finite() or amount <= 0:
        raise Refusal(Code.INVALID_NUMBER, "amount must be greater than zero.", field="amount")


def check_supply(balance: Decimal, asset: Asset) -> None:
    """Refuse what would leave one of the house's own ledger accounts with more than there may be."""
    if abs(balance) > _MAX_SUPPLY:
        raise Refusal(
            Code.INVALID_NUMBER,
            f"There would be more {asset.code} than the ledger can count.",
            field="amount",
        )


def check_amount(amount: Decimal, asset: Asset) -> None:
    """Refuse what is not a number, is zero or absurd, or is finer than the asset."""
    # copy_abs neither rounds nor overflows, however absurd the number.
    size = amount.copy_abs()
    if not amount.is_finite() or size >= _MAX_AMOUNT:
        raise Refusal(Code.INVALID_NUMBER, "amount must be a number below 10^18.", field="amount")
    if size == 0:
        raise Refusal(Code.INVALID_NUMBER, "amount must not be zero.", field="amount")
    exponent = size.as_tuple().exponent
    too_long = isinstance(exponent, int) and exponent < -_MAX_DIGITS
    if too_long or steps(size, Decimal(1).scaleb(-asset.decimals)) is None:
        raise Refusal(
            Code.INVALID_NUMBER,
            f"{asset.code} has {asset.decimals} digits after the point.",
            field="amount",
            decimals=asset.decimals,
        )
