"""Tag every sentence of a news article on armed conflict; start at `conflict_nlp.predict`."""

__version__ = "0.1.0"
