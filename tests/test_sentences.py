import textwrap

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


@pytest.mark.parametrize(
    "text",
    [
        "A bomb hit the barracks at 7:40 a.m. Monday, killing six.",
        "It struck at 9 p.m. Jan. 6 in Darv. | The army left at 6 p.m. | The guests stayed.",
        "It was 8:30 p.m. BST, and 10 a.m. Tongan time.",
        "They left at 6 p.m. | About 30 stayed. | It fell at 7 a.m. | This time nobody died.",
        "Pte. Jim Fell was killed. | So was Lt.-Col. Ray Orr.",
        "Sub-Insp. Das and Maj-Gen. Roe fled. | They hid.",
        "1. Rebels seized the bridge. | They burned it.",
        "Q. How many died?",
        "It denied it. | (It always does.) | Five died. | [Note: corrected.] | (More to come.)",
        "Two died (the army said three.) Then it left. | It fled (who knows?) to Darv.",
        "The men fled… | Two officers died… | No group has… so far.",
        "Rebels stormed a pro-U.S. base. | The post-Oct. 7 war went on. | Ex-Lt. Gen. Roe left.",
        "Killed:Sgt. Lee. | “U.N. staff left.” | He came from the U.S. | It asked. | —No. | It is.",
        "It fell approx. 5 km away, killing six, incl. two boys. | The Govt. of Velm denied it.",
        "“U.S. forces came at night. | They left.",
        "It lay approx.5 Israeli miles away. | It fell.2 | Nobody died.",
        "The army told Ms. Rice that it left. | Gen. He Weidong met Rep. Will Hurd at Ft. Hood.",
        "Sqn. Ldr. Ravi Nair flew with No. 1 Sqn. RAF from Gao. | The 2nd Bn. of the Regt. stayed.",
        "Aid of $1.5 bn. was frozen. | A 100-lb. Hellfire and 12 lbs. of TNT burned. | It fell.",
        "Engr. Chidi Okafor was abducted at 9 A.M. Eastern time. | There were est. 400 men.",
        "It ends in May. | Men left. | Ten are ill. | Doctors came. | They shot me. | Men ran.",
        "He came from the U.S. | Officials knew. | The U.S. Police Corps left the PA. | Iran won.",
        "“He told us, ‘Leave now.’” | They left. | \"They said, 'We will come!'\" | No one came.",
        "ii. Free all prisoners. | The terms are: 1. a truce, 2. elections. | Neither side agreed.",
        "A. We do not know. | KIRBY: No. | I don’t have that. | Did they call? | A. Yes, they did.",
        "SRINAGAR, Oct. 5. — Two militants were killed.1 | One soldier died.",
    ],
)
def test_stops_that_end_a_sentence_and_stops_that_do_not(text):
    parts = text.split(" | ")
    assert [sentence.text for sentence in split_sentences(" ".join(parts))] == parts


def test_lines_that_end_with_a_small_word_are_joined():
    lines = ["Since Oct. 7 Israel has struck Gaza. The price of bread was", "$1.50. It rose to $2."]
    assert len(texts("\n".join(lines))) == 3


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


@pytest.mark.parametrize("mark", ["", "> ", ">> "])
@pytest.mark.parametrize("width", [60, 110])
def test_a_brief_and_the_quoted_text_of_a_mail_are_joined(mark, width):
    sentences = [
        "Jets struck the south of the country on Monday, killing four people and wounding nine "
        "others, the health ministry said.",
        "No group has claimed responsibility for the attack, which was the third this week.",
    ]
    lines = textwrap.wrap(" ".join(sentences), width)
    found = texts("\n".join(mark + line for line in lines) + "\n")
    assert [each.replace(f"\n{mark}", " ") for each in found] == sentences
    assert texts(">100 people died.\n>\n> It rained.") == [">100 people died.", "It rained."]
    assert texts("> 100 people died.") == ["> 100 people died."]


def test_headlines_of_like_length_stand_alone():
    lines = [
        "Gunmen kill three police officers in northern market town",
        "Finance minister quits over budget row",
        "Parliament votes to extend state of emergency by a month",
        "Actor dies at 91 after long illness",
        "Rebels seize the second bridge over the river in a week",
    ]
    assert texts("\n".join(lines)) == lines
    for brief in (
        ["Two killed in northern Mali attack", "al-Qaeda claims responsibility."],
        ["Army kills two in the north", "by Jane Doe in Beirut", "The army said two had died."],
    ):
        assert texts("\n".join(brief)) == brief


def test_a_long_title_does_not_hide_that_the_text_is_wrapped():
    title = (
        "Three killed as rockets hit the market of a town that had seen no war for over ten years"
    )
    body = (
        "Three people were killed on Sunday when rockets hit\nthe market of a small town in the "
        "north, where the\narmy has fought a rebel group since early spring.\n"
    )
    assert texts(f"{title}\n\n{body}") == [title, body.strip()]


def test_a_list_in_lower_case_stands_apart():
    lines = ["release of all prisoners", "return of the many bodies", "respect for the last deal"]
    assert texts("\n".join(lines)) == lines


def test_capitals_are_joined_too():
    text = "GUNMEN KILLED THREE MEN IN THE TOWN OF\nORLAN ON SUNDAY, THE ARMY SAID, AND\nFLED."
    assert texts(text) == [text]
    assert texts(f"By John Smith\n\n{text}") == ["By John Smith", text]


def test_a_quotation_is_split_where_a_model_could_not_read_it_whole():
    assert texts("“They ran. We hid,” he said.") == ["“They ran. We hid,” he said."]
    speech = ["“They came at night.", *["They burned the mill and the school."] * 20, "We hid.”"]
    assert texts(" ".join([*speech, "He left."])) == [*speech, "He left."]


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


def test_a_long_line_does_not_stop_unwrapping():
    lines = [
        "KARSUMA (NW) - Rockets hit an army base near Temirlan on Monday, and",
        "at least six people were killed and about twenty wounded, the hospital",
        "said. Nobody claimed the attack. The army, which had moved troops to the",
        "border a week before, said that it would not answer for the time being.",
    ]
    wrapped = texts("\n".join(lines))
    address = "https://news.example/" + "a-long-name-of-an-article-" * 4
    assert len(wrapped) == 3 and texts("\n".join([address, *lines])) == [address, *wrapped]
    long = "A paragraph a line is not wrapped. " * 5
    assert len(texts("\n".join([long, "Shells hit", "the mill", long]))) == 12
