"""The shipped models' scores of the example article, as they were when the models were made.

`python tests/test_golden.py` writes them anew; do so only with new models.
"""

import json

import pytest

from conflict_nlp.predict import Tagger
from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden"
ARTICLE = ROOT / "docs" / "examples" / "article-1.txt"
MODELS = ("minilm", "mpnet", "baseline")


def scores(model):
    tagged = Tagger.from_pretrained(model).tag_article(ARTICLE.read_text(encoding="utf-8"))
    return [{k: round(v, 3) for k, v in s.scores.items()} for s in tagged.sentences]


@pytest.mark.parametrize("model", MODELS)
def test_scores_are_those_of_the_day_the_model_was_made(model):
    expected = json.loads((GOLDEN / f"{model}.json").read_text())
    found = scores(model)
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one == pytest.approx(other, abs=0.04)  # kernels differ: processors, versions


if __name__ == "__main__":
    for name in MODELS:
        (GOLDEN / f"{name}.json").write_text(json.dumps(scores(name), indent=0) + "\n")
