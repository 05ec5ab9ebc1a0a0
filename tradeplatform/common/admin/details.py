"""The base of every detail page: heading, buttons, panels. Floors above may add panels and buttons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.safestring import SafeString

from tradeplatform.common.admin import acting
from tradeplatform.common.admin.buttons import Button
from tradeplatform.common.admin.lists import BackOfficeList
from tradeplatform.common.admin.panels import Panel

#: What a floor above shows on a page of a floor below.
PanelMaker = Callable[[HttpRequest, Any], Iterable[Panel]]


class DetailMixin(BackOfficeList):
    """A row's page. Subclasses give `heading`, `badges` and `panels`, and list their button classes."""

    detail_template: ClassVar[str] = "backoffice/detail.html"
    buttons: ClassVar[list[type[Button]]] = []
    list_buttons: ClassVar[list[type[Button]]] = []
    #: Filled by floors above; a list of its own in each class that is added to.
    more_panels: ClassVar[list[PanelMaker]] = []

    def heading(self, obj: Any) -> str:
        """The name of the row as an operator says it."""
        return str(obj)

    def subheading(self, obj: Any) -> SafeString | str:
        """One line of what it is."""
        return ""

    def badges(self, obj: Any) -> Iterable[SafeString | str]:
        """Its state, beside the heading."""
        return ()

    def warning(self, obj: Any) -> SafeString | str:
        """What an operator must not overlook."""
        return ""

    def panels(self, request: HttpRequest, obj: Any) -> Iterable[Panel]:
        """What the page shows, from top to bottom."""
        raise NotImplementedError

    def closing_panels(self, request: HttpRequest, obj: Any) -> Iterable[Panel]:
        """What comes after the panels that floors above add."""
        return ()

    def get_buttons(self, request: HttpRequest) -> list[Button]:
        """All buttons of a row's page."""
        return [button(request) for button in self.buttons]

    def get_list_buttons(self, request: HttpRequest) -> list[Button]:
        """All buttons above the list."""
        return [button(request) for button in self.list_buttons]

    def url_of(self, obj: Any) -> str:
        """The address of a row's page."""
        return reverse(self._name("change"), args=[quote(str(obj.pk))])

    def url_of_list(self) -> str:
        """The address of the list."""
        return reverse(self._name("changelist"))

    def _name(self, view: str) -> str:
        return f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{view}"

    def get_urls(self) -> list[Any]:
        """Buttons first: the row's own address matches everything."""
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        on_list = self.admin_site.admin_view(self.list_button_view)
        on_row = self.admin_site.admin_view(self.button_view)
        return [
            path("act/<slug:name>/", on_list, name=f"{name}_new"),
            path("<path:object_id>/act/<slug:name>/", on_row, name=f"{name}_act"),
            *super().get_urls(),
        ]

    def button_view(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """The page behind a button of a row."""
        return acting.act_on_row(self, request, object_id, name)

    def list_button_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """The page behind a button above the list."""
        return acting.act_on_list(self, request, name)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The list, with its buttons."""
        buttons = [
            {"button": button, "url": reverse(self._name("new"), args=[button.name])}
            for button in self.get_list_buttons(request)
            if button.allowed()
        ]
        # Without `opts` the heading is the template's own.
        more = {"list_buttons": buttons, "opts": None}
        return super().changelist_view(request, (extra_context or {}) | more)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The row's page."""
        obj = self.get_object(request, unquote(object_id))
        if obj is None:
            raise Http404
        if not self.has_view_permission(request, obj):
            raise PermissionDenied
        panels = [*self.panels(request, obj)]
        for maker in self.more_panels:
            panels.extend(maker(request, obj))
        panels.extend(self.closing_panels(request, obj))
        context = self.admin_site.each_context(request) | {
            "meta": self.opts,
            "title": self.heading(obj),
            "subheading": self.subheading(obj),
            "badges": list(self.badges(obj)),
            "warning": self.warning(obj),
            "panels": panels,
            "obj": obj,
            "list_url": self.url_of_list(),
            "buttons": [
                {
                    "button": button,
                    "url": reverse(self._name("act"), args=[quote(str(obj.pk)), button.name]),
                    "why_not": button.why_not(obj),
                }
                for button in self.get_buttons(request)
                if button.allowed() and button.shown(obj)
            ],
        }
        return TemplateResponse(request, self.detail_template, context | (extra_context or {}))

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Nothing is added in place."""
        raise PermissionDenied

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Nothing is deleted."""
        raise PermissionDenied

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """The audit trail is the history."""
        raise Http404
