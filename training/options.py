"""What the commands share: options that a TOML file may set too, and errors told in one line."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse `argv`; ``--config FILE`` (TOML) gives defaults that the command line overrides.

    Keys of the file are the long option names with underscores. An unknown key, a value that the
    command line would not take, or a required option set in neither place ends the program with
    status 2 and a line that names it.
    """
    parser.add_argument("--config", type=Path, help="TOML file with the options' values")
    known = argparse.ArgumentParser(add_help=False)
    known.add_argument("--config", type=Path)
    config = known.parse_known_args(argv)[0].config
    if config is not None:
        try:
            values = tomllib.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # not TOML, or not UTF-8
            parser.error(f"cannot read {config}: {error}")
        actions = {action.dest: action for action in parser._actions}
        for key, value in values.items():
            if key not in actions or key in ("config", "help"):
                parser.error(f"{config}: unknown key {key!r}")
            try:
                actions[key].default = _value(actions[key], value)
            except ValueError:
                parser.error(f"{config}: {key} cannot be {value!r}")
            actions[key].required = False
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    return arguments


def _value(action: argparse.Action, given: Any) -> Any:
    """Return a value of a TOML file as the command line would give it, or raise ValueError."""
    if action.nargs == 0 and isinstance(given, bool):
        return given
    takes_list = action.nargs is not None
    values = given if takes_list and isinstance(given, list) else [given]
    is_short = action.nargs == "+" and not values
    is_other = isinstance(action.nargs, int) and len(values) != action.nargs
    if is_short or is_other or any(isinstance(value, (bool, list, dict)) for value in values):
        raise ValueError
    convert = action.type if callable(action.type) else str
    converted = [convert(str(value)) for value in values]
    return converted if takes_list else converted[0]


@contextmanager
def errors_in_one_line(parser: argparse.ArgumentParser) -> Iterator[None]:
    """End the program with status 1 and the error's own line where a file or its content fails."""
    try:
        yield
    except (OSError, ValueError) as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
