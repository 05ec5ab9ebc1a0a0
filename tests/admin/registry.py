"""The pages that are registered, as the process that serves them sees the registry."""

from __future__ import annotations

from importlib import import_module

from django.contrib import admin
from django.db import models
from django.urls import reverse

from tradeplatform.common.admin.details import DetailMixin

# Pages are loaded with the addresses that serve them.
import_module("tradeplatform.urls")

PAGES: list[DetailMixin] = [page for page in admin.site._registry.values() if isinstance(page, DetailMixin)]
MODELS: list[type[models.Model]] = [page.model for page in PAGES]


def address(model: type[models.Model], view: str, *args: object) -> str:
    """The address of a page of a model: changelist, change, act, new."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{view}", args=args)


def act(model: type[models.Model], key: object, name: str) -> str:
    """The address of a button on a row."""
    return address(model, "act", key, name)
