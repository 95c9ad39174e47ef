"""Scripts that make, calibrate, export and measure the models in ``models/``."""

# First of all: it keeps onnxruntime, when that is imported, from reporting to its makers.
import conflict_nlp  # noqa: F401
