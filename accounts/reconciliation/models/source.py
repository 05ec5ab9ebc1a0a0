"""Who tells us of our money, about which ledger accounts, and how their files are written."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from accounts.models import LedgerAccount

#: How far from a line's day a transfer may be: see StatementSource.match_days.
MOST_DAYS = 31


class DateFormat(models.TextChoices):
    """How a file writes its days; moments are in UTC."""

    ISO = "%Y-%m-%d", "2026-01-31"
    MOMENT = "%Y-%m-%dT%H:%M:%SZ", "2026-01-31T17:30:00Z"
    GERMAN = "%d.%m.%Y", "31.01.2026"
    BRITISH = "%d/%m/%Y", "31/01/2026"
    AMERICAN = "%m/%d/%Y", "01/31/2026"
    PLAIN = "%Y%m%d", "20260131"


class Delimiter(models.TextChoices):
    """What stands between cells."""

    COMMA = ",", "Comma"
    SEMICOLON = ";", "Semicolon"
    TAB = "\t", "Tab"


class DecimalMark(models.TextChoices):
    """What stands before the fraction; nothing stands between thousands."""

    POINT = ".", "Point"
    COMMA = ",", "Comma"


def _column(*, required: bool = False, help_text: str = "") -> models.CharField[str, str]:
    return models.CharField(max_length=64, blank=not required, help_text=help_text)


class StatementSource(models.Model):
    """A bank's or custodian's account of ours, and how its statements map to lines.

    Columns are named as in the first row of its files; those that are not named here are not read. Amounts
    are in one signed column (money that came to us is above zero), or in two, of which a row fills one.
    """

    name = models.CharField(
        max_length=32,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*\Z", "Small letters, digits and hyphens.")],
        help_text="Short and for ever, such as first-bank-usd.",
    )
    counterparty = models.CharField(max_length=100, help_text="The bank, custodian or liquidity provider.")
    delimiter = models.CharField(max_length=1, choices=Delimiter, default=Delimiter.COMMA)
    decimal_mark = models.CharField(max_length=1, choices=DecimalMark, default=DecimalMark.POINT)
    date_format = models.CharField(max_length=20, choices=DateFormat, default=DateFormat.ISO)
    reference_column = _column(required=True, help_text="Their own reference: unique for ever.")
    date_column = _column(required=True)
    amount_column = _column(help_text="Signed; or leave it empty and name the next two.")
    credit_column = _column(help_text="What came to us.")
    debit_column = _column(help_text="What left us.")
    asset_column = _column(help_text="Needed where the source has several assets.")
    our_reference_column = _column(help_text="What we or the client gave as reference.")
    text_column = _column()
    match_days = models.PositiveSmallIntegerField(
        default=3,
        validators=[MaxValueValidator(MOST_DAYS)],
        help_text="How many days apart two sides of one amount may be.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(amount_column="") & Q(credit_column="", debit_column="")
                | Q(amount_column="") & ~Q(credit_column="") & ~Q(debit_column=""),
                name="statement_source_amount_or_both_sides",
                violation_error_message="Name one signed column of amounts, or both of credits and debits.",
            ),
            models.CheckConstraint(
                condition=Q(match_days__lte=MOST_DAYS), name="statement_source_matches_within_a_month"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SourceLedger(models.Model):
    """A ledger account that the source is the other side of. Each is reconciled with one source at most."""

    source = models.ForeignKey(StatementSource, on_delete=models.PROTECT, related_name="ledgers")
    ledger = models.OneToOneField(LedgerAccount, on_delete=models.PROTECT, related_name="reconciled_with")

    def __str__(self) -> str:
        return f"{self.source}: {self.ledger}"
