"""Model folders: names, checks and safe writing.

A model folder holds ``manifest.json`` and the files that it lists, each with its sha256. Files
are read once, checked, and used from memory, so that what was checked is what is loaded. A file
of over 92 MB stands in parts, ``NAME.part-1`` and so on, which git hosts and mails still take.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT_VERSION = 1
DEFAULT_MODEL = "minilm"
_LARGEST_FILE = 2**30
_LARGEST_JSON = 2**26  # tokenizers and calibrations are a few MB; parsing takes ten times the size
_LARGEST_PART = 92 * 10**6
_PART = re.compile(r"(.+)\.part-(\d+)")
_HERE = Path(__file__).resolve().parent


class ModelError(OSError):
    """A model folder that is missing, damaged or untrusted; names the file and the mend."""


@dataclass(frozen=True)
class ModelFolder:
    """A checked model folder.

    Attributes
    ----------
    path
        The folder.
    manifest
        Content of ``manifest.json``: ``format_version``, ``name``, ``engine``, ``labels``,
        ``files`` (name to sha256), and what the engine needs.
    files
        Content of each listed file, by name; parts are joined.
    sha256
        Of ``manifest.json``, in hexadecimal: as it names the hash of each file, it stands for all.
    """

    path: Path
    manifest: dict[str, Any]
    files: dict[str, bytes]
    sha256: str = ""

    def json(self, name: str) -> Any:
        """Return the parsed content of a listed JSON file."""
        try:
            return json.loads(self.file(name))
        except (ValueError, RecursionError) as error:
            raise ModelError(f"{self.path / name} is not valid JSON: {error}; {_MEND}") from None

    def file(self, name: str) -> bytes:
        """Return the content of a listed file; raises ModelError if the manifest lacks it."""
        if name not in self.files:
            raise ModelError(f"{self.path / 'manifest.json'} does not list {name}; {_MEND}")
        return self.files[name]


_MEND = "install the package again, or export the model again with training.export_onnx"


def shipped_models() -> dict[str, Path]:
    """Return the folders of the models that come with the package, by name."""
    for root in (_HERE / "models", _HERE.parent / "models"):
        found = {p.parent.name: p.parent for p in sorted(root.glob("*/manifest.json"))}
        if found:
            return found
    return {}


def find(name_or_folder: str | os.PathLike[str]) -> Path:
    """Return the folder of a shipped model's name (``default`` is one), or the folder given.

    Raises
    ------
    ModelError
        If it is neither a shipped name nor a folder.
    """
    shipped = shipped_models()
    name = os.fspath(name_or_folder)
    name = DEFAULT_MODEL if name == "default" else name
    if name in shipped:
        return shipped[name]
    with suppress(OSError, ValueError):  # a name that no folder can have, or may not be looked at
        if _restored(Path(name).resolve()).is_dir():
            return Path(name)
    raise ModelError(
        f"no model {name!r}: give a folder that exists, or one of "
        f"{', '.join(['default', *shipped])}"
    )


def read(folder: Path) -> ModelFolder:
    """Read a model folder and check every listed file against its sha256.

    Raises
    ------
    ModelError
        If the manifest or a file is missing, damaged, of another format version, too large, or
        lies outside the folder. Nothing is loaded in part.
    """
    manifest_path = folder / "manifest.json"
    try:
        content = _read_inside(folder, "manifest.json")
        manifest = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{manifest_path} is not valid JSON: {error}; {_MEND}") from None
    if not isinstance(manifest, dict) or manifest.get("format_version") != FORMAT_VERSION:
        found = manifest.get("format_version") if isinstance(manifest, dict) else None
        raise ModelError(
            f"{manifest_path} has format version {found!r}, this library reads {FORMAT_VERSION}: "
            "use the library version that made the model, or export it again"
        )
    listed, labels = manifest.get("files"), manifest.get("labels")
    if not isinstance(listed, dict) or not _are_names(labels) or not labels:
        raise ModelError(f"{manifest_path} lacks 'files' or 'labels'; {_MEND}")
    files = {}
    for name, digest in listed.items():
        files[name] = _read_inside(folder, name)
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise ModelError(f"{folder / name} is damaged (its sha256 differs); {_MEND}")
    return ModelFolder(folder, manifest, _joined(files), hashlib.sha256(content).hexdigest())


def _joined(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Put the parts of each file together, in the order of their numbers."""
    whole = {name: content for name, content in files.items() if not _PART.fullmatch(name)}
    parts: dict[str, dict[int, bytes]] = {}
    for name, content in files.items():
        if found := _PART.fullmatch(name):
            parts.setdefault(found[1], {})[int(found[2])] = content
    return whole | {name: b"".join(p[i] for i in sorted(p)) for name, p in parts.items()}


def _split(path: Path) -> None:
    """Write a large file in parts, in its place."""
    with path.open("rb") as source:
        number = 0
        while part := source.read(_LARGEST_PART):
            number += 1
            path.with_name(f"{path.name}.part-{number}").write_bytes(part)
    path.unlink()


def _are_names(labels: Any) -> bool:
    return isinstance(labels, list) and all(isinstance(label, str) for label in labels)


def _read_inside(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if Path(name).name != name or name == ".." or path.is_symlink():
            raise ModelError(f"{path} points out of the model folder; it is not loaded")
        if path.stat().st_size > (_LARGEST_JSON if name.endswith(".json") else _LARGEST_FILE):
            raise ModelError(f"{path} is larger than a model file may be; it is not loaded")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(f"{path} is missing; {_MEND}") from None
    except PermissionError:
        raise ModelError(f"{path} cannot be read; give this user the right to read it") from None
    except ModelError:
        raise
    except (OSError, ValueError) as error:  # a folder, or a name that no file can have
        raise ModelError(f"{str(path)!a} cannot be read: {error}; {_MEND}") from None


def write(folder: Path, manifest: Mapping[str, Any], fill: Callable[[Path], object]) -> None:
    """Write a model folder whole or not at all.

    `fill` writes the model's files into a new folder beside `folder`; the manifest with their
    hashes is added, and the new folder takes the place of the old one; should the process be
    killed in that moment, the next `find` or `write` puts the old one back. A README.md, which
    people edit, is not hashed. Of a link to a folder, the folder it points to is replaced.

    Raises
    ------
    ModelError
        If the old folder holds anything but a model, see `check_replaceable`.
    """
    folder = folder.resolve()
    check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _restored(folder)
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        fill(made)
        for path in list(made.iterdir()):
            if path.stat().st_size > _LARGEST_PART:
                _split(path)
        files = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(made.iterdir())
            if path.name not in ("README.md", "manifest.json")
        }
        content = {"format_version": FORMAT_VERSION, **manifest, "files": files}
        (made / "manifest.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        made.chmod(0o755)
        if folder.exists():
            shutil.rmtree(_set_aside(folder), ignore_errors=True)
            folder.rename(_set_aside(folder))
        made.rename(folder)
        shutil.rmtree(_set_aside(folder), ignore_errors=True)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def check_replaceable(folder: Path) -> None:
    """Raise ModelError if a folder holds anything but a model, which `write` would lose.

    Hidden files count for nothing.
    """
    if not folder.is_dir():
        return
    try:
        listed = [*json.loads((folder / "manifest.json").read_bytes())["files"]]
    except (OSError, ValueError, LookupError, TypeError):
        listed = []
    parts = {"manifest.json", "README.md", *listed}
    others = (path for path in sorted(folder.iterdir()) if path.name not in parts)
    other = next((path for path in others if not path.name.startswith(".")), None)
    if other is not None:
        raise ModelError(
            f"{folder} would be replaced, and holds {other.name}, which is no part of a model: "
            "name a new folder"
        )


def _set_aside(folder: Path) -> Path:
    """Return where the old folder stands while a new one takes its place."""
    return folder.with_name(f".{folder.name}-old")


def _restored(folder: Path) -> Path:
    """Put the old folder back that a killed `write` left set aside."""
    if folder.name and not folder.exists() and _set_aside(folder).is_dir():
        _set_aside(folder).rename(folder)
    return folder
