"""Data frames in, data frames out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conflict_nlp.predict import Tagger


def tag_frame(
    tagger: Tagger,
    df: Any,
    columns: tuple[str, str | None, str | None],
    keep: Sequence[str],
    thresholds: Mapping[str, float] | None,
) -> Any:
    """Tag the article in each row; see `conflict_nlp.predict.Tagger.tag_frame`.

    `columns` are those of the text, the title and the name.
    """
    try:
        import pandas as pd  # type: ignore[import-untyped]
    except ImportError:
        raise ImportError("tag_frame needs pandas: pip install pandas") from None
    from conflict_nlp import rows
    from conflict_nlp.columns import Article
    from conflict_nlp.results import TaggedSentence
    from conflict_nlp.sentences import is_blank

    if not isinstance(df, pd.DataFrame):
        kind = type(df)
        mend = "df.to_pandas(), or " if hasattr(df, "to_pandas") else ""
        raise TypeError(
            f"df must be a pandas DataFrame, not {kind.__module__}.{kind.__name__}: give {mend}"
            "the texts to Tagger.tag_articles"
        )
    text_column, title_column, id_column = columns
    if isinstance(keep, str):
        raise TypeError(f"keep must be a list of columns, such as [{keep!r}]")
    keep = list(dict.fromkeys(keep))
    names_out = rows.columns(tagger.labels, kept=keep)
    for column in (*columns, *keep):
        if column is not None and column not in df.columns:
            known = ", ".join(map(str, df.columns))
            raise ValueError(f"df has no column {column!r}; it has: {known}")
        if column is not None and list(df.columns).count(column) > 1:
            raise ValueError(f"df has more than one column {column!r}: rename all but one")
    names = list(df.index if id_column is None else df[id_column])
    titles = [None] * len(df) if title_column is None else df[title_column]
    articles = []
    for position, (text, title) in enumerate(zip(df[text_column], titles)):
        is_missing = pd.api.types.is_scalar(title) and pd.isna(title)
        for column, value in ((text_column, text), (title_column, "" if is_missing else title)):
            if not isinstance(value, str):
                mend = f"; for rows without text use df.dropna(subset=[{text_column!r}])"
                raise TypeError(
                    f"article {names[position]!r}: column {column!r} must hold a string, not "
                    f"{value!r}{mend if column == text_column else ''}"
                )
        has_title = not is_missing and not is_blank(title)
        articles.append(Article(str(position), title if has_title else None, text))
    tagged = rows.flat_rows(rows.tag(tagger, articles, thresholds))
    made = [(int(row["article"]), row) for row in tagged]
    # A first row, left out again, gives the columns their types where there is no other.
    first = TaggedSentence("", (), dict.fromkeys(tagger.labels, 0.0), start=0, end=0).to_record(0)
    result = pd.DataFrame([first, *(row for _, row in made)], columns=names_out)
    result = result.iloc[1:].reset_index(drop=True)
    places = [place for place, _ in made]
    source = df.index.to_series() if id_column is None else df[id_column]
    result["article"] = source.iloc[places].array
    for column in keep:  # a column keeps its type
        result[column] = df[column].iloc[places].reset_index(drop=True)
    return result
