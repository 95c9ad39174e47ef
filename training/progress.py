"""One progress bar for all scripts, on standard error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track as _track

T = TypeVar("T")


def track(items: Sequence[T], description: str) -> Iterable[T]:
    """Yield `items`, showing how many are done."""
    return _track(items, description=description, console=Console(stderr=True))
