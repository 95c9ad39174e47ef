"""HTML in: the title and the main text of a web page."""

from __future__ import annotations

import re
from collections import Counter

from conflict_nlp.columns import OWN
from conflict_nlp.sentences import LINE_END

GENERATOR = '<meta name="generator" content="conflict_nlp">'
"""By this a page of tags is known, and not read as an article."""

EXTRA = 'pip install "conflict-nlp[files]"'
"""How to install what reads web pages and parquet files."""

# Outside of these a line end is a blank, as in a browser; trafilatura would keep it.
_FLOWING = "//text()[not(ancestor::pre or ancestor::textarea or ancestor::script)]"
_FIRST_HEADINGS = "//*[self::h2 or self::h3 or self::h4][not(preceding-sibling::*)][../@class]"
_CHARSET = re.compile(rb"<meta[^>]*?charset\s*=\s*[\"']?([\w-]+)", re.IGNORECASE)


def charset(data: bytes) -> str | None:
    """Return the encoding that a page declares at its beginning, or None."""
    declared = _CHARSET.search(data[:2048])
    return declared[1].decode("ascii") if declared else None


def main_text(page: str) -> tuple[str | None, str]:
    """Return the title, if any, and the main text of a page.

    Raises
    ------
    ImportError
        If trafilatura is not installed; names the extra that brings it.
    ValueError
        If the page is one of tags, or has no text.
    """
    if GENERATOR in page[:2048]:
        raise ValueError(OWN)
    try:
        import trafilatura
    except ImportError as error:  # or of what it needs in its turn
        reason = str(error).partition("\n")[0]
        raise ImportError(f"HTML needs trafilatura: {EXTRA} ({reason})") from None
    tree, found = trafilatura.load_html(page), None
    if tree is not None:
        for text in filter(LINE_END.search, tree.xpath(_FLOWING)):
            flowing = LINE_END.sub(" ", text)
            setattr(text.getparent(), "tail" if text.is_tail else "text", flowing)
        # trafilatura drops headings that begin a block of some classes: all of a live blog's.
        headings = tree.xpath(_FIRST_HEADINGS)
        blocks = Counter(heading.getparent().get("class") for heading in headings)
        for heading in headings:
            if blocks[heading.getparent().get("class")] > 1:
                heading.tag = "p"
        found = trafilatura.bare_extraction(tree, with_metadata=True, include_comments=False)
    if found is None or not found.text:
        raise ValueError("no article text found in the page")
    title = found.title or None
    return title, found.text.removeprefix(f"{title}\n")
