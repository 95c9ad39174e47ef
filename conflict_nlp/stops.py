"""Stops that sentencex takes for the end of a sentence and that are none, and the other way round.

Each pattern is tried at few places of a text, as it begins with a stop or another rare character.
"""

from __future__ import annotations

import re

# Stops that end no sentence, though sentencex takes them for ends: of a time of day before its day
# or zone, of ranks and the like, of a unit, of a date before a dash, of what counts.
_DATE = r"(?:Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec)[a-z]*\.? \d"
_DAYS = f"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|{_DATE}"
_ZONES = (
    r"(?:[ABCEIMP][DS]|[CE]ES?|GM|[CEMP])T\b|UTC\b"
    r"|(?!Th|By|At|For|Next|Last|Each|Every|Some|Any)(?:[A-Z]\w+ ){1,2}[Tt]ime\b"
)


def _behind(words: str) -> str:
    """Return a pattern that holds behind the stop of one of these words."""
    return "(?:" + "|".join(rf"(?<=\b{word}\.)" for word in words.split()) + ")"


_RANKS = _behind(
    "Alh Amb Atty Cdr Cllr Cmdt Const Cpt Dep Engr Ft Gens Lieut Mohd Ms Muhd Mx Pte Pvts Ret Shri"
    " Smt Spc SSgt Ste Wm [Aa]pprox Apt Ch Govt [Ii]ncl Vol Mon Tue Tues Wed Thur Thurs Fri"
)
_NAMED = _behind("Adm Capt Col Gen Gov Lt Maj Mr Prof Rep Sen Sgt")
_UNITS = _behind("bn [ckm]m hrs kg lbs mn plc yds")
_NO_END = re.compile(
    rf"\.(?=\s)(?:{_RANKS}|(?<=-(?:Adm|Col|Cpl|Gen)\.)|(?<=-Insp\.)"
    r"|(?<=\bMd\.)(?<!, Md\.)|(?<=\? A\.)|(?<=[.?!] Q\.)"
    rf"|{_NAMED}(?= (?:An|As|He|So|Will|You) [A-Z])|{_behind('[Ee]st [Pp]ara [Pp]aras')}(?= \d)"
    rf"|(?<=\bTech\.)(?= Sgt)|{_UNITS}(?=\s+(?:[a-z]|GMT))"
    rf"|(?:(?<=[:;,] \d\.)|(?<=[:;,] \d\d\.))(?=\s+[a-z])"
    rf"|(?:(?<=\b[ap]\.m\.)|(?<=\b[AP]\.M\.))(?=\s+(?:{_DAYS}|{_ZONES})))"
)
_NO_END_OF_DATE = re.compile(rf"{_DATE}\d?\.(?=\s+[-\u2013\u2014])")
_MARK = re.compile(r"\s*(?:\d{1,3}|[A-Z]|[ivx]+|[IVX]+)\.(?=\s)")
# Abbreviations that sentencex knows behind a blank alone: "pro-U.S.", "post-Oct. 7"; and
# the number of a note.
_ABBREVIATIONS = (
    r"(?:(?:[A-Z]\.){2,}|(?:Gen|Lt|Col|Maj|Capt|Sgt|Cpl|Pvt|Adm|Cmdr|Sen|Rep|Gov|Pres|Prof|Dr|Mrs?|Ms"
    r"|St|No(?=\. ?\d)|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\.)"
)
_GLUED = re.compile(
    rf"[-\u2010-\u2014•*_>#:|“‘\"\d](?:(?<![“‘\"\d])(?={_ABBREVIATIONS})"
    rf"|(?<=[“‘\"])(?={_ABBREVIATIONS}[^“‘”’\"]*$)|(?<=[a-z]{{3}}\.\d)(?<!prox\.\d)\d?(?=\s+[A-Z]))"
)
# Abbreviations that sentencex does not know, of units and after numbers: no vowel is in most. They
# may end a sentence: it decides that by the next word, as of one that it knows.
_UNKNOWN = re.compile(
    r"[A-Z](?<!\w\w)(?:[b-df-hj-np-tv-xz]{1,3}|(?<=B)(?:att|de)|(?<=C)(?:av|do)|(?<=D)iv|(?<=I)nf"
    r"|(?<=R)egt|(?<=, M)ass|(?<=, W)ash)(?=\.\s)"
)
_UNKNOWN_UNIT = re.compile(r"-(?<=\d-)(?:cal|[ckm]m|ft|in|kg|lb)(?=\.\s)")
_KNOWN = {2: "St", 3: "Sgt", 4: "Capt"}
# Ends that sentencex does not see: of words that it takes for abbreviations, of an answer that is
# no number, of abbreviations before what begins a sentence.
_END = re.compile(
    r"\.(?=\s)(?:"
    r"(?:(?<=\b(?:me|ok|OK)\.)|(?<=\b(?:art|con|ill|[Mm]ay|ore)\.)|(?<=\bmiss\.))"
    r"(?=\s+[\"“‘(]?[A-Z])(?!\s+(?:[IVX]{2,}|V)\b)"
    r"|(?<=[a-z] (?:DC|GA|LA|PA|SC|VA)\.)(?=\s+[A-Z][a-z])"
    r"|(?:(?<=^No\.)|(?<=[:?!.] No\.)|(?<=[\"“\u2014]No\.))(?=\s+[A-Z][a-z’' ])"
    r"|(?<!^[A-Z]\.[A-Z]\.)(?=\s+(?:Police|Officials|Authorities|Witnesses|Residents|Villagers"
    r"|Rebels|Militants|Gunmen|Protesters|Prosecutors|Investigators|Doctors|Relatives|Neighbou?rs"
    r"|Nobody)\s(?!(?:and|as|at|for|from|in|of|on|or|to|with|chief|commissioner|inspector)\b)[a-z]))"
)
# Of two closing quotes sentencex sees one.
_NESTED = re.compile(r"([.!?…])(?:([\"”])(?=['’](?:\s|$))|(['’])(?=[\"”](?:\s|$)))")
_ELLIPSIS = re.compile(r"…(?=\s+[\"“‘(]?[A-Z])")


def marked(text: str) -> str:
    """Return a paragraph of the same length in which sentencex finds the ends of sentences."""
    mark = _MARK.match(text)
    if mark is not None:
        text = f"{mark[0][:-1]},{text[mark.end() :]}"
    text = _NO_END.sub(",", text)
    text = _NO_END_OF_DATE.sub(lambda found: found[0][:-1] + ",", text)
    text = _END.sub("!", text)
    text = _UNKNOWN.sub(lambda found: _KNOWN[len(found[0])], text)
    text = _UNKNOWN_UNIT.sub(lambda found: "-" + _KNOWN[len(found[0]) - 1], text)
    text = _NESTED.sub(r"\2\3\1", text)
    return _GLUED.sub(lambda found: " " * len(found[0]), _ELLIPSIS.sub(".", text))
