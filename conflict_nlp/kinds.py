"""What a file holds, told by the end of its name or by its first bytes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from pathlib import Path

from conflict_nlp.delimited import SEPARATOR

KINDS = {
    **dict.fromkeys((".txt", ".text", ".md"), "text"),
    **dict.fromkeys((".html", ".htm"), "html"),
    **dict.fromkeys((".jsonl", ".ndjson", ".json"), "json"),
    **dict.fromkeys((".csv", ".tsv"), "csv"),
    ".parquet": "parquet",
}
"""What a file holds, by the end of its name."""

META = ".meta.json"
"""How the name of a file ends that tells what made another."""
_COMMENTS = re.compile(rb"(?:<!--.*?-->\s*)+", re.DOTALL)
_JSON = re.compile(rb"\{\s*(?:[\"}]|$)|\[\s*(?:\{|$)|\[[\r\n]")
_COLUMN = re.compile(r"[\w%#@$][\w .:/()#%&?*'’+°$-]{,39}")
_MIME = re.compile(rb"(?:[\w-]+:[^\n]*\n(?:[ \t][^\n]*\n)*)*mime-version:")
_OTHER = {b"%pdf": "PDF", rb"{\rtf": "RTF", b"pk\3\4": "an office document or a zip archive"}


def is_read(name: str) -> bool:
    """Tell whether a file of that name is read with its folder."""
    return by_name(name) is not None and not name.startswith(".") and not name.endswith(META)


def by_name(name: str) -> str | None:
    """Return the kind of file that the end of a name tells, or None."""
    return KINDS.get(suffix(name))


def suffix(name: str) -> str:
    """Return the end of a file's name in lower case, without ``.gz``."""
    return Path(name.lower().removesuffix(".gz")).suffix


def by_start(start: bytes, columns: Collection[str] | None, *, is_text: bool = False) -> str:
    """Return the kind of file that its first bytes tell.

    Parameters
    ----------
    start
        At least the first 1,024 bytes, or all if there are fewer; the first 4,096 are looked at.
    columns
        Names of which one makes a first line the header of a table; None if it is known to be one.
    is_text
        Whether its name says that it is text, which a mail may be, and a page shown as such.

    Raises
    ------
    ValueError
        If it holds documents or archives, which are not read.
    """
    start = start[:4096]  # buffers grow to megabytes, on which the patterns take long
    if start[257:262] == b"ustar":
        raise ValueError("this is a tar archive: unpack it")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        start = start.decode("utf-16", "ignore").encode("utf-8", "ignore")
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip(b" \r\n").lower()
    start = _COMMENTS.sub(b"", start)
    if _MIME.match(start) and not is_text:
        raise ValueError("this is an e-mail or a web archive: save it as text or HTML")
    for beginning, what in _OTHER.items():
        if start.startswith(beginning):
            raise ValueError(f"this is {what}: save it as text, HTML, CSV or JSON lines")
    if start.startswith(b"par1"):
        return "parquet"
    is_xhtml = start.startswith(b"<?xml") and b"<html" in start
    if is_xhtml or start.startswith((b"<!doctype html", b"<html")):
        return "text" if is_text else "html"
    # An article may begin with metadata, or with a menu.
    is_json = not is_text or any(f'"{name}"'.encode() in start for name in columns or ())
    if _JSON.match(start) and is_json:
        return "json"
    line, *others = re.split(r"[\r\n]+", start.decode("utf-8", "replace"), maxsplit=2)
    line = line.strip()
    delimiters = r"[,;\t]" if is_text else r"[,;\t|]"  # tables in Markdown begin with one, too
    fields = [field.strip('"') for field in re.split(delimiters, line)]
    # In prose a blank follows a comma. The index of a data frame has no name.
    is_header = len(fields) > 1 and all(map(_COLUMN.fullmatch, fields[not fields[0] :]))
    if is_text and others and others[0] and not {*re.findall(delimiters, line)} & {*others[0]}:
        is_header = False
    names = {"_".join(field.split()) for field in fields}
    is_table = columns is None or (is_header and names & {*columns}) or SEPARATOR.fullmatch(line)
    return "csv" if is_table else "text"
