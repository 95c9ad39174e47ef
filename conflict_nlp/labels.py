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

HTML_COLOURS: Final[dict[str, str]] = {
    "attack_event": "#ffc9c2",
    "casualty_report": "#f3cdf7",
    "attribution_claim": "#ffe8a3",
    "political_context": "#c9ddff",
}
"""Background of each label on a page; dark text on each has a contrast of 12:1 or more."""
