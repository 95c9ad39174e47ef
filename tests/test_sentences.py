import pytest
from hypothesis import given
from hypothesis import strategies as st

from conflict_nlp.sentences import split_sentences

ANY_TEXT = st.text() | st.text(st.characters(exclude_categories=()), max_size=200)
NEWSPAPER = st.lists(
    st.sampled_from(
        [
            "Mr. Orlan",
            "the U.S. army",
            "fled.",
            '"We ran,"',
            "he said.",
            "\n",
            "\r\n",
            "\n\n",
            "No. 5",
            "“Go!”",
            "KARSUMA, Dec. 8 —",
            "\u2028",
            "3.5",
            "\ufeff",
            "\x00",
            "\ud800",
            "😀",
            "?",
            "(",
        ]
    ),
    max_size=60,
).map(" ".join)


def texts(text):
    return [sentence.text for sentence in split_sentences(text)]


@given(ANY_TEXT | NEWSPAPER)
def test_offsets_are_exact_and_nothing_visible_is_lost(text):
    end = 0
    for sentence in split_sentences(text):
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.text.strip()
        assert end <= sentence.start < sentence.end <= len(text)
        assert not any(c.isalnum() for c in text[end : sentence.start])
        end = sentence.end
    assert not any(c.isalnum() for c in text[end:])


def test_newspaper_text_splits_as_a_reader_would():
    assert texts(
        "Gunmen storm post in Orlan\n"
        "By Irina Dolmat\n"
        "KARSUMA, Dec. 8 (NW) - Gunmen attacked Mr. Smith's house at 5 p.m. on Sunday. "
        '"We ran," he said. “Nobody knows why.” The U.S. Army denied it. '
        "Gen. A. B. Khan said the No. 2 leader died. At least 3.5 tons burned."
    ) == [
        "Gunmen storm post in Orlan",
        "By Irina Dolmat",
        "KARSUMA, Dec. 8 (NW) - Gunmen attacked Mr. Smith's house at 5 p.m. on Sunday.",
        '"We ran," he said.',
        "“Nobody knows why.”",
        "The U.S. Army denied it.",
        "Gen. A. B. Khan said the No. 2 leader died.",
        "At least 3.5 tons burned.",
    ]


def test_hard_wrapped_lines_are_joined_and_headlines_are_not():
    assert texts(
        "A headline\n\n"
        "This paragraph was wrapped at sixty characters by an\n"
        "editor, and so the sentence goes on in the next line. It has\n"
        "three lines or more of them, and it ends here.\n"
    ) == [
        "A headline",
        "This paragraph was wrapped at sixty characters by an\n"
        "editor, and so the sentence goes on in the next line.",
        "It has\nthree lines or more of them, and it ends here.",
    ]


@pytest.mark.parametrize("text", ["", " \n\t\r\n", "\ufeff", "\x00\u200b"])
def test_blank_text_has_no_sentences(text):
    assert split_sentences(text) == []


def test_a_very_long_paragraph_is_split_the_same_throughout():
    text = 'He said: "They ran. ' * 20_000
    sentences = split_sentences(text)
    assert len(sentences) > 1
    assert "".join(s.text for s in sentences).replace(" ", "") == text.replace(" ", "")


def test_only_strings():
    with pytest.raises(TypeError, match="must be a string, not bytes"):
        split_sentences(b"bytes")
