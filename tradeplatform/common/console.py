"""Terminals for management commands: results to standard output, progress to standard error."""

from __future__ import annotations

import os
import select
import signal
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

_NO_EDGE = 100_000


class PlainConsole(Console):
    """Prints each text as it is, for others wrote many of them: a `[word]` is no style, `:bell:` no picture.

    What would steer the terminal, or is not seen, is spelled out. What shall have a style is a `Text`.
    """

    def on_broken_pipe(self) -> NoReturn:
        """Leave it to `while_read`, as what is printed otherwise; rich would say that the command failed."""
        raise BrokenPipeError

    def render_str(self, text: str, **options: Any) -> Text:
        """As Console's; titles, cells and lines all come by here."""
        return super().render_str("".join(map(_seen, text)), **options)


def _seen(letter: str) -> str:
    hidden = unicodedata.category(letter)[0] == "C" and letter not in "\n\t"
    return ascii(letter)[1:-1] if hidden else letter


@contextmanager
def while_read() -> Iterator[None]:
    """For the length of any command: once nobody reads its output (`... | head -1`), it ends without a word.

    Its exit code is that of a program that SIGPIPE ends. A pipe that broke elsewhere is an error as ever.
    """
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if not _is_unread(sys.stdout.fileno()):
            raise
        # What Python still has of it is written at exit, and shall not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)


def _is_unread(descriptor: int) -> bool:
    """Whether the other end of a pipe is closed."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))


def output(options: dict[str, Any]) -> Console:
    """Where a command prints its result; `call_command(..., stdout=...)` redirects it.

    A file or a pipe has no edge: who reads it there looks for words that nobody has cut or folded.
    """
    file = options.get("stdout") or sys.stdout
    console = PlainConsole(file=file, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _NO_EDGE
    return console


def verdict(*, good: bool, words: str) -> Text:
    """Words in the colour of what is as it should be, or is not."""
    return Text(words, style="green" if good else "red")


def progress(*columns: str) -> Progress:
    """A progress bar on standard error, drawn only where that is a terminal.

    `columns` are further texts of the line, with rich's `{task.fields[name]}` placeholders.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        *(TextColumn(column) for column in columns),
        console=console,
        disable=not console.is_terminal,
    )
