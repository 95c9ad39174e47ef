"""What the commands share: options that a TOML file may set too, and errors told in one line."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse `argv`; ``--config FILE`` (TOML) gives defaults that the command line overrides.

    Keys of the file are the long option names with underscores. An unknown key, or a required
    option set in neither place, ends the program with status 2 and a line that names it.
    """
    parser.add_argument("--config", type=Path, help="TOML file with the options' values")
    known, _ = argparse.ArgumentParser(add_help=False), None
    known.add_argument("--config", type=Path)
    config = known.parse_known_args(argv)[0].config
    if config is not None:
        try:
            values = tomllib.loads(config.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            parser.error(f"cannot read {config}: {error}")
        actions = {action.dest: action for action in parser._actions}
        for key, value in values.items():
            if key not in actions or key in ("config", "help"):
                parser.error(f"{config}: unknown key {key!r}")
            convert = actions[key].type
            if callable(convert):
                value = [convert(v) for v in value] if isinstance(value, list) else convert(value)
            actions[key].default = value
            actions[key].required = False
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    return arguments


@contextmanager
def errors_in_one_line(parser: argparse.ArgumentParser) -> Iterator[None]:
    """End the program with status 1 and the error's own line where a file or its content fails."""
    try:
        yield
    except (OSError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
