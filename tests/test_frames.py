import pytest

from conflict_nlp.predict import Tagger

TEXTS = ["A bomb exploded in Velm. Nine people were killed.", "  ", "Rain fell."]


@pytest.fixture(scope="module")
def tagger():
    return Tagger.from_pretrained("minilm")


def test_one_row_a_sentence(tagger):
    pd = pytest.importorskip("pandas")
    df = pd.DataFrame({"text": TEXTS}, index=[7, 8, 9])
    tagged = tagger.tag_frame(df)
    assert list(tagged["article"]) == [7, 7, 9]
    assert list(tagged["index"]) == [0, 1, 0]
    first = tagger.tag_article(TEXTS[0]).to_records()[1]
    row = tagged.iloc[1].to_dict()
    assert list(row) == ["article", *first]
    scores = {key for key in first if key.endswith("_score")}
    assert {key: row[key] for key in set(first) - scores} == {
        key: first[key] for key in set(first) - scores
    }
    # Beside other sentences a batch is padded otherwise, which moves scores a little.
    assert [row[key] for key in scores] == pytest.approx([first[key] for key in scores], abs=0.02)
    assert tagged["attack_event"].dtype.kind == "i"
    assert tagged["attack_event_score"].dtype.kind == "f"
    assert tagged["uncertain"].dtype.kind == "b"


def test_titles_and_names_come_from_their_columns(tagger):
    pd = pytest.importorskip("pandas")
    df = pd.DataFrame({"body": TEXTS, "head": ["Bomb in Velm", None, None], "id": ["x", "y", "z"]})
    tagged = tagger.tag_frame(df, "body", title_column="head", id_column="id")
    assert list(zip(tagged["article"], tagged["index"])) == [
        ("x", -1),
        ("x", 0),
        ("x", 1),
        ("z", 0),
    ]
    title = tagged.iloc[0]
    assert (title["text"], title["start"], title["end"]) == ("Bomb in Velm", 0, 0)


def test_an_empty_frame_has_all_columns(tagger):
    pd = pytest.importorskip("pandas")
    empty = tagger.tag_frame(pd.DataFrame({"text": []}))
    full = tagger.tag_frame(pd.DataFrame({"text": TEXTS}))
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    blank = tagger.tag_frame(pd.DataFrame({"text": ["One.", " "]}).iloc[1:])
    both = pd.concat([full, blank], ignore_index=True)
    assert len(blank) == 0 and both.dtypes.to_dict() == full.dtypes.to_dict()


@pytest.mark.parametrize("backend", ["numpy_nullable", "pyarrow"])
def test_missing_titles_of_any_type_are_none(tagger, backend):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    df = pd.DataFrame({"text": ["A bomb exploded.", "Rain fell."], "title": ["Bomb", None]})
    df = df.convert_dtypes(dtype_backend=backend)
    articles = tagger.tag_articles(df["text"], df["title"])
    assert [article.title is None for article in articles] == [False, True]


def test_blank_titles_give_no_row_and_bad_ones_are_told_first(tagger, monkeypatch):
    pd = pytest.importorskip("pandas")
    df = pd.DataFrame({"text": ["A bomb exploded.", "Rain fell."], "title": ["", " "]})
    assert tagger.tag_frame(df, title_column="title")["index"].tolist() == [0, 0]
    monkeypatch.setattr(type(tagger), "predict_articles", None)
    with pytest.raises(TypeError, match="article 1"):
        tagger.tag_frame(pd.DataFrame({"text": ["A bomb exploded.", None]}))


def test_columns_are_kept_with_their_types(tagger):
    pd = pytest.importorskip("pandas")
    days = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03"]).tz_localize("UTC")
    df = pd.DataFrame({"text": TEXTS, "day": days, "outlet": pd.Categorical(["x", "y", "x"])})
    tagged = tagger.tag_frame(df, keep=["day", "outlet", "day"], thresholds={"attack_event": 1.0})
    assert list(tagged["day"]) == [days[0], days[0], days[2]]
    assert tagged.dtypes[["day", "outlet"]].equals(df.dtypes[["day", "outlet"]])
    assert list(tagged)[-2:] == ["day", "outlet"] and not tagged["attack_event"].any()
    assert list(tagger.tag_frame(df[1:2], keep=["day"]))[-1] == "day"
    with pytest.raises(ValueError, match="a column 'attack_event' of its own: rename yours"):
        tagger.tag_frame(df.assign(attack_event=1), keep=["attack_event"])
    with pytest.raises(ValueError, match="no column 'date'"):
        tagger.tag_frame(df, keep=["date"])
    with pytest.raises(TypeError, match=r"such as \['day'\]"):
        tagger.tag_frame(df, keep="day")


def test_bad_frames_are_named(tagger):
    pd = pytest.importorskip("pandas")
    with pytest.raises(
        TypeError, match=r"must be a pandas DataFrame, not builtins\.list: give the texts"
    ):
        tagger.tag_frame(TEXTS)
    with pytest.raises(ValueError, match="no column 'text'; it has: body, id"):
        tagger.tag_frame(pd.DataFrame({"body": TEXTS, "id": [1, 2, 3]}))
    with pytest.raises(ValueError, match="more than one column 'text'"):
        tagger.tag_frame(pd.DataFrame([["A bomb.", "Rain."]], columns=["text", "text"]))
    with pytest.raises(TypeError, match=r"article 1: column 'text' must hold a string.*dropna"):
        tagger.tag_frame(pd.DataFrame({"text": ["A bomb exploded.", None]}))
    with pytest.raises(TypeError, match="article 0: column 'title' must hold a string, not 3"):
        tagger.tag_frame(pd.DataFrame({"text": ["A bomb."], "title": [3]}), title_column="title")
    with pytest.raises(TypeError, match="article 0: column 'title'"):
        tagger.tag_frame(pd.DataFrame({"text": ["A."], "title": [["a"]]}), title_column="title")
    with pytest.raises(TypeError, match="data frame: give one of its columns"):
        tagger.predict(pd.DataFrame({"text": TEXTS}))


def test_pandas_series_give_probabilities(tagger):
    pd = pytest.importorskip("pandas")
    df = pd.DataFrame({"text": ["A bomb exploded.", "Rain fell."]}, index=[5, 3])
    df[list(tagger.labels)] = tagger.predict_proba(df["text"])
    assert df.loc[5, "attack_event"] > df.loc[3, "attack_event"]


def test_datasets_map_gives_probabilities(tagger):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"text": ["A bomb exploded.", "Rain fell.", "Nine died."]})
    tagged = data.map(lambda b: {"scores": tagger.predict_proba(b["text"])}, batched=True)
    assert tagged["text"] == data["text"]
    expected = tagger.predict_proba(data["text"])
    assert [list(row) for row in tagged["scores"]] == [pytest.approx(row) for row in expected]


def test_datasets_map_gives_one_row_a_sentence(tagger):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"id": ["x", "y"], "text": TEXTS[:2]})

    def sentences(batch):
        rows = [
            {"id": name, **record}
            for name, text in zip(batch["id"], batch["text"])
            for record in tagger.tag_article(text).to_records()
        ]
        return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}

    tagged = data.map(sentences, batched=True, remove_columns=data.column_names)
    assert tagged["id"][:] == ["x", "x"]
    assert tagged["text"][:] == ["A bomb exploded in Velm.", "Nine people were killed."]


def test_polars_frames_work(tagger):
    pl = pytest.importorskip("polars")
    df = pl.DataFrame({"text": ["A bomb exploded.", "Rain fell."]})
    scored = df.with_columns(pl.DataFrame(tagger.predict_proba(df["text"]), tagger.labels))
    assert scored.columns == ["text", *tagger.labels]
    assert scored["attack_event"][0] > scored["attack_event"][1]
    sentences = pl.DataFrame(
        {"article": row, **record}
        for row, text in enumerate(TEXTS)
        for record in tagger.tag_article(text).to_records()
    )
    assert sentences["article"].to_list() == [0, 0, 2]
    assert sentences["attack_event"].dtype == pl.Int64
