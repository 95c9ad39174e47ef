"""The four labels: their names, order, definitions and colours."""

from __future__ import annotations

from typing import Final

LABELS: Final = ("attack_event", "casualty_report", "attribution_claim", "political_context")
"""Names of the labels, in the order of every score column."""

DEFINITIONS: Final[dict[str, str]] = {
    "attack_event": "tells of an act of violence or armed force: "
    "what, where, when, with what, by whom, to whom",
    "casualty_report": "tells who or how many were killed, wounded or missing through violence, "
    "or that nobody was",
    "attribution_claim": "claims, assigns, suspects, denies or withholds responsibility "
    "for violence",
    "political_context": "gives the politics, diplomacy, power relations or strategy around events",
}
"""What a sentence with each label does, in one line."""

TERMINAL_COLOURS: Final[dict[str, str]] = {
    "attack_event": "red",
    "casualty_report": "magenta",
    "attribution_claim": "yellow",
    "political_context": "blue",
}
"""Colour of each label on a terminal."""

HTML_COLOURS: Final[dict[str, tuple[str, str]]] = {
    "attack_event": ("#ffc9c2", "#6d2620"),
    "casualty_report": ("#f3cdf7", "#5a2a68"),
    "attribution_claim": ("#ffe8a3", "#5a4708"),
    "political_context": ("#c9ddff", "#1f4272"),
}
"""Background of each label on a light and on a dark page; text on it has a contrast of 7:1."""

OTHER_HTML_COLOURS: Final = (
    ("#c8ecd2", "#1d4d33"),
    ("#ffd7a8", "#633a10"),
    ("#c4ebee", "#17494f"),
    ("#dcd5cb", "#4a433b"),
)
"""The same for labels of other models, in turn."""
