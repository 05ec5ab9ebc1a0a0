"""How much may be uploaded: more is refused by its announced length, before any of it is read."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import FileUploadHandler
from django.http.request import QueryDict


class BoundedUploadHandler(FileUploadHandler):
    """Stands before Django's own handlers and keeps nothing itself."""

    def handle_raw_input(
        self,
        input_data: Any,
        META: dict[str, Any],  # noqa: N803 - Django's name
        content_length: int,
        boundary: str,
        encoding: str | None = None,
    ) -> tuple[QueryDict, Any] | None:
        """Refuse the whole request when it is too long; else leave it to the next handler."""
        if content_length > settings.MOST_UPLOADED_BYTES:
            raise RequestDataTooBig(f"More than {settings.MOST_UPLOADED_BYTES:,} bytes are not taken.")
        return None

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Pass it on."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Another handler has the file."""
