"""The page to try the tagger in a browser, served on this computer: ``conflict-nlp app``.

>>> with running(build("default")) as address:
...     print(address)

It asks nothing of the network, and keeps no text: articles stay in memory, and an uploaded file
is deleted once it is read.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from conflict_nlp import page as parts
from conflict_nlp import rows, store
from conflict_nlp.columns import Article
from conflict_nlp.kinds import KINDS
from conflict_nlp.labels import DEFINITIONS
from conflict_nlp.predict import Tagger
from conflict_nlp.report import escaped, html_fragment
from conflict_nlp.results import TaggedArticle
from conflict_nlp.sentences import is_blank, storable
from conflict_nlp.server import running

__all__ = ["build", "running"]

_HEAD = """# conflict_nlp
Tags every sentence of an article on armed conflict. All of it runs on this computer: no text
leaves it. A tag is a statistical guess and no evidence: read a sentence before you act on it."""
_START = "Paste an article or fill in the example, and press Tag."
_HINT = "Click a sentence, or press Enter on it, to see which words carried each label."
_EXAMPLE = (
    "Market in Orlan hit as talks stall",
    "Two rockets struck the central market in Orlan on Tuesday morning. At least six people were "
    "killed and about twenty wounded, the hospital said.\n\nThe army blamed the Northern Front, "
    "which denied any part in it. Talks on a truce broke down last week over the border crossings. "
    "Shops in the old town stayed closed.",
)
# A sentence that is clicked, or pressed as a button, is explained; check boxes stay checked when
# the tags change.
_CHOOSE = """
const checked = new Set();
const choose = (event) => {
  const sentence = event.target.closest('.sentence');
  if (!sentence || (event.type === 'keydown' && ![' ', 'Enter'].includes(event.key))) return;
  if (event.key === ' ') event.preventDefault();
  trigger('select', {index: [...element.querySelectorAll('.sentence')].indexOf(sentence)});
};
element.addEventListener('click', choose);
element.addEventListener('keydown', choose);
element.addEventListener('change', ({target}) =>
  checked[target.checked ? 'add' : 'delete'](target.className));
new MutationObserver(() => {
  checked.forEach((name) => {
    const box = element.querySelector(`input.${name}:not(:disabled)`);
    if (box) box.checked = true;
  });
  for (const sentence of element.querySelectorAll('.sentence:not([role])'))
    sentence.setAttribute('role', 'button');
}).observe(element, {childList: true, subtree: true});
"""
# What changes within is read out.
_STATUS = "element.setAttribute('role', 'status')"
_SHOW_NOTES = "() => document.querySelector('.said').scrollIntoView({block: 'nearest'})"
_SAVE = """(text) => {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([text]));
  link.download = 'tagged-articles.%s';
  link.click();
}"""


class Kept(NamedTuple):
    """One visitor's articles: tagged once, shown with any thresholds."""

    model: str
    articles: list[tuple[str, TaggedArticle]]


def build(model: str = "default", trust: bool = False) -> Any:
    """Return the page, a ``gradio.Blocks``, for `running`.

    Parameters
    ----------
    model
        Name of a shipped model, or a folder; the page offers the shipped models as well.
    trust
        As `Tagger.from_pretrained` takes it.

    Raises
    ------
    ImportError
        If gradio is not installed, or a package that the model needs.
    ModelError
        If the model is missing or damaged.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        import gradio as gr
    except ImportError:
        raise ImportError('the page needs gradio: pip install "conflict-nlp[app]"') from None
    # Uploads do not go where all users of a computer put theirs.
    folder = tempfile.TemporaryDirectory(prefix="conflict-nlp-")
    os.environ["GRADIO_TEMP_DIR"] = folder.name
    load = cache(partial(Tagger.from_pretrained, trust=trust))
    model = store.DEFAULT_MODEL if model == "default" else model
    labels = load(model).labels
    has_thresholds = False
    with suppress(ValueError):  # of a model of classes, which gives the best one
        load(model).predict_iter([], thresholds=load(model).thresholds)
        has_thresholds = True

    def rounded(model: str) -> list[float]:
        return [round(threshold, 2) for threshold in load(model).thresholds.values()]

    def sliders_at(model: str) -> float | list[float]:
        first, *others = rounded(model)  # of one output gradio takes no list
        return [first, *others] if others else first

    def shown_as(kept: Kept, number: int, values: Sequence[float]) -> TaggedArticle:
        article = kept.articles[number][1]
        own = load(kept.model).thresholds
        # A slider has two decimals; where it was not moved, the model's own threshold holds.
        moved = {
            label: value for label, value in zip(labels, values) if value != round(own[label], 2)
        }
        return load(kept.model).relabel(article, moved if has_thresholds else {})

    def show(kept: Kept, number: int | None, *values: float) -> str:
        return "" if number is None else html_fragment(shown_as(kept, number, values))

    def tagged(model: str, articles: Sequence[Article]) -> Kept:
        if load(model).labels != labels:
            raise ValueError(f"{model} has other labels: start the page with --model {model}")
        return Kept(model, list(rows.whole_articles(rows.tag(load(model), articles))))

    def said(*notes: str) -> str:
        return "".join(f"<p>{escaped(note)}</p>" for note in notes)

    def present(kept: Kept, notes: Sequence[str], values: Sequence[float]) -> list[Any]:
        choices = [  # plain text, which Gradio escapes
            (storable(f"{number + 1}. {article.title or name}"), number)
            for number, (name, article) in enumerate(kept.articles)
        ]
        first = 0 if choices else None
        count = sum(len(each.sentences) for _, each in kept.articles)
        done = f"Model {kept.model}: {count:,} sentence{'s' * (count != 1)} tagged. {_HINT}"
        return [
            kept,
            said(*notes, *([done] if choices else [])),
            gr.update(choices=choices, value=first, visible=len(choices) > 1),
            gr.update(visible=bool(choices)),
            show(kept, first, *values),
            "",
        ]

    def tag_text(model: str, title: str, text: str, *values: float) -> list[Any]:
        size = len(title) + len(text)
        notes = [parts.too_long(size)] if size > parts.MOST_CHARACTERS else []
        if is_blank(text):
            notes = ["There is no text yet: paste an article."]
        headline = None if is_blank(title) else title.strip()
        articles = [] if notes else [Article("article", headline, text)]
        return present(tagged(model, articles), notes, values)

    def tag_file(model: str, path: str, column: str, *values: float) -> list[Any]:
        try:
            articles, notes = parts.read(Path(path), column.strip() or None)
        finally:
            Path(path).unlink()
        return [*present(tagged(model, articles), notes, values), None]

    def change(model: str, kept: Kept) -> list[Any]:
        articles = [Article(name, each.title, each.text) for name, each in kept.articles]
        try:
            values = rounded(model)
            return [*present(tagged(model, articles), [], values), model, *values]
        except (ImportError, OSError, ValueError) as error:
            skipped = [gr.skip()] * (4 + len(labels))
            return [kept, said(str(error)), *skipped[:4], kept.model, *skipped[4:]]

    def catch_up(model: str, kept: Kept) -> list[Any]:
        """Tag anew if another model was chosen while the articles were tagged."""
        is_same = model == kept.model
        return [gr.skip()] * (7 + len(labels)) if is_same else change(model, kept)

    def explain(kept: Kept, number: int, event: Any) -> str:
        article = kept.articles[number][1]
        before = [] if article.headline is None else [article.headline]
        sentence = [*before, *article.sentences][event.index]
        return parts.explanation(sentence, load(kept.model).explain(sentence.text))

    explain.__annotations__["event"] = gr.EventData  # tells Gradio what to pass

    def save(format: str, kept: Kept, *values: float) -> str:
        articles = [
            (name, shown_as(kept, number, values)) for number, (name, _) in enumerate(kept.articles)
        ]
        return parts.download(format, articles, labels)

    with gr.Blocks(title="conflict_nlp", analytics_enabled=False) as page:
        page.folder = folder  # goes when the page goes
        gr.Markdown(_HEAD)
        kept = gr.State(Kept(model, []))
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                with gr.Tab("Paste an article"):
                    title = gr.Textbox(label="Title (optional)")
                    text = gr.Textbox(label="Article", lines=10, max_lines=18)
                    with gr.Row():
                        example = gr.Button("Fill in an example")
                        tag = gr.Button("Tag", variant="primary")
                with gr.Tab("Upload a file"):
                    hint = "For tables where it has an unusual name."
                    column = gr.Textbox(label="Column of the text (optional)", info=hint)
                    file = gr.File(label=f"File: {', '.join(KINDS)}", file_types=list(KINDS))
                names = [*dict.fromkeys([model, *store.shipped_models()])]
                name = gr.Dropdown(names, value=model, label="Model")
                hint = "Thresholds: a lower one finds more and errs more"
                with gr.Accordion(hint, visible=has_thresholds):
                    looks = {"step": 0.01, "buttons": []}  # none that resets to another model's
                    sliders = [
                        gr.Slider(0, 1, value, label=label, info=DEFINITIONS.get(label), **looks)
                        for label, value in zip(labels, rounded(model))
                    ]
                    reset = gr.Button("Back to the model's own", size="sm")
            with gr.Column(scale=3, min_width=420):
                notes = gr.HTML(said(_START), elem_classes="said", js_on_load=_STATUS)
                article = gr.Dropdown([], label="Article", visible=False)
                with gr.Row(visible=False) as saving:
                    buttons = [
                        gr.Button(f"Download {each.upper()}", size="sm") for each in parts.FORMATS
                    ]
                shown = gr.HTML(js_on_load=_CHOOSE)
                why = gr.HTML(elem_classes="why", js_on_load=_STATUS)
                saved = gr.Textbox(visible=False)
        private: dict[str, Any] = {"api_visibility": "private"}
        views, slow = [kept, notes, article, saving, shown, why], {"show_progress_on": shown}
        example.click(lambda: _EXAMPLE, None, [title, text], **private)
        again = {"fn": show, "inputs": [kept, article, *sliders], "outputs": shown, **private}
        again["show_progress"] = "hidden"
        gr.on([each.change for each in sliders], trigger_mode="always_last", **again)
        everything = [*views, name, *sliders]
        for event, tags, inputs, outputs in (
            (tag.click, tag_text, [name, title, text, *sliders], views),
            (file.upload, tag_file, [name, file, column, *sliders], [*views, file]),
            (name.input, change, [name, kept], everything),
        ):
            done = event(tags, inputs, outputs, **slow, **private)
            done = done.then(catch_up, [name, kept], everything, **slow, **private)
            done.then(**again).then(None, None, None, js=_SHOW_NOTES, **private)
        article.input(lambda: "", None, why, **private).then(**again)
        reset.click(lambda kept: sliders_at(kept.model), kept, sliders, **private)
        shown.select(explain, [kept, article], why, show_progress="minimal", **private)
        for format, button in zip(parts.FORMATS, buttons):
            made = button.click(partial(save, format), [kept, *sliders], saved, **private)
            made.then(None, saved, None, js=_SAVE % format, **private)
    return page
