PYTHON ?= python3
PIP = .venv/bin/python -m pip install -q -c constraints.txt

.PHONY: demo test lint clean

demo: .venv/core
	.venv/bin/conflict-nlp tag --format table docs/examples/article-1.txt

test: .venv/dev
	.venv/bin/python -m pytest -n auto --maxprocesses 4 --dist worksteal

lint: .venv/dev
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy

.venv/core: pyproject.toml constraints.txt
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(PIP) -e .
	touch $@

.venv/dev: .venv/core
	$(PIP) -e ".[dev]"
	touch $@

clean:
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache
