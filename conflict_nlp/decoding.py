"""Bytes to text: UTF-8, or else what the bytes are found to be."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress

# Encodings of English text come first: a few accented letters fit dozens of others as well.
_ENGLISH = [
    *("cp1252", "mac_roman", "utf_16", "utf_16_le", "utf_16_be"),
    *("utf_32", "utf_32_le", "utf_32_be"),
]
_SAMPLE = 2**18


class Decoder:
    """Decodes one file.

    Parameters
    ----------
    name
        The file's name, for messages.
    note
        Called with a line if the file is not UTF-8.
    failed
        Called with a line once, if some bytes do not fit the file's encoding; they become U+FFFD.
    """

    def __init__(
        self, name: str, note: Callable[[str], object], failed: Callable[[str], object]
    ) -> None:
        self._name, self._note, self._failed = name, note, failed
        self._encoding: str | None = None
        self._is_exact = True

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
                return data.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                start = max(0, error.start - _SAMPLE) // 4 * 4
            # What pages declare as Latin-1 is cp1252 (WHATWG: "Encoding").
            is_latin = (declared or "").lower() in ("iso-8859-1", "latin1", "us-ascii", "ascii")
            with suppress(LookupError, UnicodeError):
                if declared is not None and not declared.lower().startswith(("utf-16", "utf-32")):
                    return data.decode("cp1252" if is_latin else declared)
        if self._encoding is None:
            sample = data[start : start + 2 * _SAMPLE]
            self._encoding = _detected(sample + (stream.peek() if stream else b""))
            self._note(f"{self._name} is not UTF-8; read as {self._encoding}")
        text = data.decode(self._encoding, "replace")
        if self._is_exact and "\ufffd" in text:
            self._is_exact = False
            self._failed(f"{self._name}: some bytes are not {self._encoding}, and became U+FFFD")
        return text

    def lines(self, stream: io.BufferedReader) -> Iterator[str]:
        """Decode line by line, so that memory does not grow; lines keep their ends."""
        if stream.peek(2)[:2] in (b"\xff\xfe", b"\xfe\xff"):  # in UTF-16 a line end is two bytes
            self._note(f"{self._name} is not UTF-8; read as utf_16")
            yield from io.TextIOWrapper(stream, "utf-16", newline="\n")
            return
        for line in stream:
            yield self.text(line, stream)


def _detected(data: bytes) -> str:
    from charset_normalizer import from_bytes

    best = from_bytes(data, cp_isolation=_ENGLISH).best() or from_bytes(data).best()
    if best is None:
        raise ValueError("not text in any known encoding")
    return best.encoding
