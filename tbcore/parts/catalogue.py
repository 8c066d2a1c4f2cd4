"""Read the catalogue of parts, and a parts file of your own in the same form.

A parts file is TOML. It names a set to begin with, and what differs: a key of the catalogue, or a folder.

    base = "gpu"
    language = "/models/my-llama"      # a folder that save_pretrained wrote
    painter = "sdxl"
    painter_settings = { steps = 20 }

A part of the hub that the catalogue does not know is described in the same file, as the catalogue describes its own:

    language = "mine"
    [part.mine]
    port = "language"
    name = "somebody/some-model"
    ...
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from tbcore.errors import InputError, MissingFileError
from tbcore.parts.files import folder_facts

__all__ = ["CATALOGUE", "DTYPE_BYTES", "PORTS", "Gpu", "Part", "Parts", "gpus", "named_parts", "read_parts", "sets"]

CATALOGUE = Path(__file__).with_name("catalogue.toml")
"""The one file that names parts of the hub."""

PORTS = ("tower", "connector", "language", "painter", "refiner", "teacher")
DTYPE_BYTES: Mapping[str, int] = {"float64": 8, "float32": 4, "float16": 2, "bfloat16": 2}
_NEEDED = ("tower", "language", "painter")
_SETTINGS = ("columns", "qformer", "painter_settings")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part and its sizes; the fields are described in catalogue.toml.

    A size that does not belong to its port is 0. `name` is of the hub, or a folder.
    """

    key: str
    port: str
    name: str
    licence: str
    parameters: int
    file_dtype: str
    file_parameters: int = 0
    gated: bool = False
    layers: int = 0
    width: int = 0
    inner: int = 0
    kv_width: int = 0
    vocab: int = 0
    patches: int = 0
    side: int = 0
    steps: int = 0
    passes: int = 1
    gflops: float = 0.0
    decode_gflops: float = 0.0

    def __post_init__(self) -> None:
        if self.port not in PORTS or self.file_dtype not in DTYPE_BYTES or self.parameters < 0:
            raise InputError(
                f"part {self.key!r}: port must be one of {', '.join(PORTS)}, file_dtype one of "
                f"{', '.join(DTYPE_BYTES)}, parameters not negative; got {self.port!r}, {self.file_dtype!r}, "
                f"{self.parameters}."
            )

    @property
    def here(self) -> bool:
        """Whether it is a folder on this machine; then nothing is fetched."""
        return Path(self.name).is_dir()

    @property
    def download_bytes(self) -> int:
        """Bytes of weights to fetch: numbers times bytes each; 0 for a folder."""
        return 0 if self.here else (self.file_parameters or self.parameters) * DTYPE_BYTES[self.file_dtype]


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """The parts of one model.

    Args:
        name: of the set, or of the parts file.
        tower, language, painter: are always there.
        connector: a BLIP-2 checkpoint whose Q-Former is taken; None: a fresh one with the sizes of `qformer`.
        refiner: finishes the painter's pictures.
        teacher: writes the training conversations, behind an endpoint.
        columns: that go through the model at once in training.
        qformer: settings of `tbcore.model.config.QFormerConfig`.
        painter_settings: of `tbcore.model.hub.PipelinePainter`.
    """

    name: str
    tower: Part
    language: Part
    painter: Part
    connector: Part | None = None
    refiner: Part | None = None
    teacher: Part | None = None
    columns: int = 2048
    qformer: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    painter_settings: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def all(self) -> list[Part]:
        """The parts there are, in the order of `PORTS`."""
        found = (getattr(self, port) for port in PORTS)
        return [one for one in found if one is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """A kind of GPU: memory in GB and its vendor's dense 16-bit TFLOP/s."""

    name: str
    memory_gb: float
    tflops: float


def sets() -> dict[str, Parts]:
    """The catalogue's sets, smallest first."""
    book = _catalogue()
    return {name: _parts(name, chosen, book["part"], CATALOGUE.parent) for name, chosen in book["set"].items()}


def gpus() -> dict[str, Gpu]:
    """The catalogue's GPUs by name."""
    return {name: Gpu(name=name, **facts) for name, facts in _catalogue()["gpu"].items()}


def named_parts(name: str) -> Parts:
    """The set of that name.

    Raises:
        InputError: there is none.
    """
    found = sets()
    if name not in found:
        raise InputError(f"parts: no set is called {name!r}. Use one of {', '.join(found)}, or a parts file.")
    return found[name]


def read_parts(path: Path | str) -> Parts:
    """Read a parts file. Folders are taken from where the file lies, unless they are absolute.

    Raises:
        MissingFileError: the file, or a folder it names, is not there.
        InputError: it is not in the form that this module's docstring shows.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path}: there is no parts file here. Write one (tbcore/parts/catalogue.py shows how).")
    given = _toml(path)
    book = _catalogue()
    known = {*PORTS, *_SETTINGS, "base", "part"}
    if unknown := sorted(given.keys() - known):
        raise InputError(f"{path}: unknown {', '.join(map(repr, unknown))}. Use {', '.join(sorted(known))}.")
    base = given.pop("base", None)
    if base is not None and base not in book["set"]:
        raise InputError(f"{path}: base {base!r} is no set. Use one of {', '.join(book['set'])}.")
    described = {**book["part"], **given.pop("part", {})}
    chosen = {**(book["set"][base] if base else {}), **given}
    return _parts(path.stem, chosen, described, path.parent)


def _parts(name: str, chosen: Mapping[str, Any], described: Mapping[str, Any], folder: Path) -> Parts:
    if missing := [port for port in _NEEDED if port not in chosen]:
        raise InputError(f"parts {name!r}: {', '.join(missing)} must be named, or a base that names them.")
    parts = {port: _part(str(chosen[port]), port, described, folder) for port in PORTS if port in chosen}
    settings = {key: chosen[key] for key in _SETTINGS if key in chosen}
    columns = settings.get("columns", 1)
    if not isinstance(columns, int) or columns < 1:
        raise InputError(f"parts {name!r}: columns must be a positive whole number; got {columns!r}.")
    return Parts(name=name, **parts, **settings)


def _part(key: str, port: str, described: Mapping[str, Any], folder: Path) -> Part:
    facts: dict[str, Any]
    place = folder / Path(key).expanduser()
    if key in described:
        if place.is_dir() and folder != CATALOGUE.parent:
            raise InputError(f"{port} {key!r}: is a part of the catalogue and a folder too. Write './{key}' for that.")
        facts = dict(described[key])
    else:
        if not place.is_dir():
            raise MissingFileError(
                f"{port} {key!r}: is neither a folder nor a part of the catalogue ({', '.join(described)}). "
                "Correct it, or describe it under [part.NAME] in your parts file."
            )
        facts = {"port": port, "name": str(place), "licence": "your own files", **folder_facts(place, port=port)}
    if unknown := sorted(facts.keys() - {one.name for one in fields(Part)}):
        raise InputError(f"part {key!r}: unknown {', '.join(unknown)}. catalogue.toml describes the fields.")
    if facts.get("port") != port:
        raise InputError(f"{port} {key!r}: is described as a {facts.get('port')!r}. Name a part of the right port.")
    try:
        return Part(key=key, **facts)
    except TypeError as error:
        raise InputError(f"part {key!r}: {error}. catalogue.toml shows what a part needs.") from error


@cache
def _catalogue() -> dict[str, Any]:
    return _toml(CATALOGUE)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no TOML: {error}. Correct that line.") from error
