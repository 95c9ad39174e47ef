"""Data frames in, data frames out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conflict_nlp.results import TaggedArticle, TaggedSentence

if TYPE_CHECKING:
    from conflict_nlp.predict import Tagger


def tag_frame(
    tagger: Tagger, df: Any, text_column: str, title_column: str | None, id_column: str | None
) -> Any:
    """Tag the article in each row; see `conflict_nlp.predict.Tagger.tag_frame`."""
    try:
        import pandas as pd  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("tag_frame needs pandas: pip install pandas") from None
    if not isinstance(df, pd.DataFrame):
        raise TypeError(
            f"df must be a pandas DataFrame, not {type(df).__name__}; for other tables see "
            "Tagger.predict_proba and TaggedArticle.to_records"
        )
    for column in (text_column, title_column, id_column):
        if column is not None and column not in df.columns:
            known = ", ".join(map(str, df.columns))
            raise ValueError(f"df has no column {column!r}; it has: {known}")
        if column is not None and list(df.columns).count(column) > 1:
            raise ValueError(f"df has more than one column {column!r}: rename all but one")
    rows = []
    titles = [None] * len(df) if title_column is None else df[title_column]
    articles = df.index if id_column is None else df[id_column]
    titles = [None if pd.isna(title) or not str(title).strip() else title for title in titles]
    for article, text, title in zip(articles, df[text_column], titles):
        if not isinstance(text, str):
            raise TypeError(
                f"article {article!r}: column {text_column!r} must hold a string, not {text!r}; "
                f"for rows without text use df.dropna(subset=[{text_column!r}])"
            )
        if not isinstance(title, str | None):
            raise TypeError(
                f"article {article!r}: column {title_column!r} must hold a string, not {title!r}"
            )
    for article, text, title in zip(articles, df[text_column], titles):
        tagged = tagger.tag_article(text, title)
        rows += [{"article": article, **record} for record in _records(tagged)]
    empty = TaggedSentence("", (), dict.fromkeys(tagger.labels, 0.0), start=0, end=0)
    columns = ["article", *TaggedArticle("", (empty,)).to_records()[0]]
    return pd.DataFrame(rows, columns=columns)


def _records(tagged: TaggedArticle) -> list[dict[str, Any]]:
    if tagged.headline is None or tagged.title is None:
        return tagged.to_records()
    headline = TaggedSentence(**vars(tagged.headline), start=0, end=0)
    records = TaggedArticle(tagged.title, (headline,)).to_records()
    return [{**records[0], "index": -1}, *tagged.to_records()]
