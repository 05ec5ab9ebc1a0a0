"""Admin pages: all partitioned tables; one table and its plan; the plan applied after confirmation."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from django_partition import catalog, reports, services
from django_partition.errors import PartitionError, PartitionRefusedError
from django_partition.models import PartitionedModel, PartitionedTable
from django_partition.planning import Action, as_row, label

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[PartitionedTable]
elif apps.is_installed("unfold"):
    from unfold.admin import ModelAdmin
else:
    from django.contrib.admin import ModelAdmin


@admin.register(PartitionedTable)
class PartitionedTableAdmin(ModelAdmin):
    """There are no rows behind these pages: they read the catalog, and do nothing but apply plans."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One permission opens all of it."""
        return request.user.has_perm("django_partition.manage_partitions")

    def has_module_permission(self, request: HttpRequest) -> bool:
        """In the menu for the same people."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tables come from migrations."""
        return False

    has_change_permission = has_delete_permission = has_add_permission

    def get_urls(self) -> list[Any]:
        """These three and none of the admin's own, which would look for rows."""
        wrap, name = self.admin_site.admin_view, "django_partition_partitionedtable"
        return [
            path("", wrap(self.changelist_view), name=f"{name}_changelist"),
            path("<str:object_id>/change/", wrap(self.change_view), name=f"{name}_change"),
            path("<str:object_id>/apply/", wrap(self.apply_view), name=f"{name}_apply"),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """All tables: policy, sums, and whether rows wait in a DEFAULT partition."""
        rows = []
        for model in catalog.partitioned_models():
            row = reports.summary(model, router.db_for_write(model))
            url = self._url("change", row["table"])
            rows.append(
                {**row, "table": format_html('<a class="underline" href="{}">{}</a>', url, row["table"])}
            )
        return self._page(request, "Partitioned tables", {"Tables": rows})

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        """One table: its partitions, and what apply would do."""
        name = unquote(object_id)
        model, using, plan = self._planned(request, name)
        grids = {
            f"Plan for {name}": list(map(as_row, plan)),
            f"Partitions of {name}": reports.status(model, using),
        }
        return self._page(request, name, grids, apply_url=plan and self._url("apply", name))

    def apply_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET shows the plan and asks; POST applies it, if it is still the plan that was shown."""
        name = unquote(object_id)
        model, using, plan = self._planned(request, name)
        steps = list(map(as_row, plan))
        shown = json.dumps(steps, default=str)
        if request.method != "POST" or request.POST.get("plan") != shown:
            if request.method == "POST":
                messages.warning(
                    request, "The plan has changed meanwhile: nothing was done. Look at it again."
                )
            return self._page(request, name, {f"Apply this plan to {name}?": steps}, shown=shown)
        try:
            done = services.apply_plan(model, expected=plan, using=using)
        except PartitionError as error:
            messages.error(request, str(error))
        else:
            words = ", ".join(f"{as_row(each)['action']} {label(each)}" for each in done)
            self.log_change(request, PartitionedTable(name=name), words)
            messages.success(request, f"{name}: {words}.")
        return HttpResponseRedirect(self._url("change", name))

    def _planned(self, request: HttpRequest, name: str) -> tuple[type[PartitionedModel], str, list[Action]]:
        self._check(request)
        try:
            model = catalog.get_model(name)
        except PartitionRefusedError as error:
            raise Http404(str(error)) from error
        using = router.db_for_write(model)
        return model, using, services.make_plan(model, using=using)

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):
            raise PermissionDenied

    def _url(self, view: str, name: str) -> str:
        site = self.admin_site.name
        return reverse(
            f"admin:django_partition_partitionedtable_{view}", args=[quote(name)], current_app=site
        )

    def _page(
        self, request: HttpRequest, title: str, grids: Mapping[str, list[reports.Row]], **context: Any
    ) -> HttpResponse:
        self._check(request)
        context |= self.admin_site.each_context(request)
        context |= {
            "opts": self.opts,
            "title": title,
            "grids": {name: cells(rows) for name, rows in grids.items()},
        }
        return TemplateResponse(request, "admin/django_partition/page.html", context)


def cells(rows: list[reports.Row]) -> list[dict[str, Any]]:
    """The rows with headings for keys and values as people read them."""
    return [{key.replace("_", " "): _shown(key, value) for key, value in row.items()} for row in rows]


def _shown(key: str, value: Any) -> Any:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return filesizeformat(value) if key == "size" else value
