"""The two realms of the platform, between which no money moves."""

from __future__ import annotations

from django.db import models


class Realm(models.TextChoices):
    """Whose market and whose money: real, or play money. Nothing has two, and nothing changes it."""

    LIVE = "live", "Live"
    DEMO = "demo", "Demo"
