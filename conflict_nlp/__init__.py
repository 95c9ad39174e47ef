"""Tag every sentence of an English news article on armed conflict.

>>> from conflict_nlp import Tagger
>>> Tagger.from_pretrained().predict("At least 30 rockets hit the base.").labels
('attack_event',)

The default model's functions are in `conflict_nlp.predict`.
"""

import os
from typing import TYPE_CHECKING, Any

# onnxruntime reads it once, when it is first imported, and else reports to its makers.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from conflict_nlp.labels import LABELS
    from conflict_nlp.predict import Tagger
    from conflict_nlp.results import Prediction, TaggedArticle, TaggedSentence
    from conflict_nlp.store import ModelError

__version__ = "0.1.0"
__all__ = ["LABELS", "ModelError", "Prediction", "TaggedArticle", "TaggedSentence", "Tagger"]


if not TYPE_CHECKING:  # else every name would be known

    def __getattr__(name: str) -> Any:
        # Looked up when used, so that `conflict-nlp --version` need not load an engine.
        if name not in __all__:
            raise AttributeError(f"module 'conflict_nlp' has no attribute {name!r}")
        from conflict_nlp import predict, store

        return store.ModelError if name == "ModelError" else getattr(predict, name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
