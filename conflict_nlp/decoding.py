"""Bytes to text: UTF-8, or else what the bytes are found to be."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import suppress

# Encodings of English text come first: a few accented letters fit dozens of others as well.
_ENGLISH = [
    *("cp1252", "mac_roman", "utf_16", "utf_16_le", "utf_16_be"),
    *("utf_32", "utf_32_le", "utf_32_be"),
]
_UTF16 = {
    re.compile(rb"\xff\xfe|\xfe\xff"): "utf_16",
    re.compile(rb"[^\0]\0[^\0]\0"): "utf_16_le",
    re.compile(rb"\0[^\0]\0[^\0]"): "utf_16_be",
}
_SAMPLE = 2**18
# Quotation marks, dashes and pictures in UTF-8, cut off; in cp1252 no such letters stand together.
_HALF = re.compile(rb"\xe2[\x80-\x84](?![\x80-\xbf])|\xf0\x9f[\x80-\xbf]?(?![\x80-\xbf])")
_NOT_WHOLE = re.compile("[\0-\x7f\ufffd]+")
# Quotes, dashes and accents of Mac Roman, which are rare letters in English cp1252.
_MAC = re.compile(rb"[\x87\x8a\x8e\x9a\x9c\x9f\xd0-\xd5\xdb]")


class Decoder:
    """Decodes one file.

    Parameters
    ----------
    name
        The file's name, for messages.
    note
        Called with what to say behind the file's name if it is not UTF-8.
    failed
        Called with a line once, if some bytes do not fit the file's encoding; they become U+FFFD.
    """

    def __init__(
        self, name: str, note: Callable[[str], object], failed: Callable[[str], object]
    ) -> None:
        self._name, self._note, self._failed = name, note, failed
        self._encoding: str | None = None
        self._is_exact = True
        self._line = 0
        self._is_utf8 = False  # whether a line had other letters than ASCII's, in UTF-8

    def text(
        self, data: bytes, stream: io.BufferedReader | None = None, declared: str | None = None
    ) -> str:
        """Decode a whole file, which may declare its encoding, or a line of `stream`.

        Raises
        ------
        ValueError
            If the bytes are no text.
        """
        start = 0
        if data.count(b"\0") * 4 <= len(data):  # else UTF-16 or UTF-32
            try:
                text = data.decode("utf-8-sig")
                self._is_utf8 = self._is_utf8 or not text.isascii()
                return text
            except UnicodeDecodeError as error:
                start = max(0, error.start - _SAMPLE) // 4 * 4
            # What pages declare as Latin-1 is cp1252 (WHATWG: "Encoding").
            is_latin = (declared or "").lower() in ("iso-8859-1", "latin1", "us-ascii", "ascii")
            with suppress(LookupError, UnicodeError):
                if declared is not None and not declared.lower().startswith(("utf-16", "utf-32")):
                    return data.decode("cp1252" if is_latin else declared)
            if self._encoding is None and (self._is_utf8 or _is_damaged_utf8(data)):
                return self._replaced(data, "utf-8-sig")
        if self._encoding is None:
            sample = data[start : start + 2 * _SAMPLE]
            self._encoding = _detected(sample + (stream.peek() if stream else b""))
            self._note(f" is not UTF-8; read as {self._encoding}")
        return self._replaced(data, self._encoding)

    def _replaced(self, data: bytes, encoding: str) -> str:
        text = data.decode(encoding, "replace")
        if self._is_exact and "\ufffd" in text:
            self._is_exact = False
            place = f", line {self._line}" if self._line else ""
            known = encoding.removesuffix("-sig")
            self._failed(f"{self._name}{place}: some bytes are not {known}, and became U+FFFD")
        return text

    def lines(self, stream: io.BufferedReader) -> Iterator[str]:
        """Decode line by line, so that memory does not grow; lines keep their ends.

        Only files whose lines end in a carriage return alone are read whole.
        """
        head = stream.peek(4)
        for start, encoding in _UTF16.items():  # in which a line end is two bytes
            if start.match(head):
                self._note(f" is not UTF-8; read as {encoding}")
                yield from io.TextIOWrapper(stream, encoding, newline="\n")
                return
        if b"\r" in head.partition(b"\n")[0].rstrip(b"\r"):
            yield from io.StringIO(self.text(stream.read()), newline="")
            return
        for self._line, line in enumerate(stream, 1):
            try:
                yield self.text(line, stream)
            except ValueError:
                if self._line == 1:
                    raise
                yield self._replaced(line, "utf-8")


def _is_damaged_utf8(data: bytes) -> bool:
    """Tell UTF-8 with some bad bytes, such as half a quotation mark where a text was cut."""
    text = data.decode("utf-8", "replace")
    errors = text.count("\ufffd") - data.count(b"\xef\xbf\xbd")
    return len(_NOT_WHOLE.sub("", text)) + len(_HALF.findall(data)) >= errors


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=_ENGLISH).best() or from_bytes(data).best()
    if best is None:
        raise ValueError("not text in any known encoding")
    if best.encoding == "mac_roman" and not _MAC.search(data):
        with suppress(UnicodeDecodeError):
            data.decode("cp1252")
            return "cp1252"
    return best.encoding
