"""Tolerance bands: between which values a number of the course lies, on which profile, and why.

Prose, checks, the closing table and the tests read the same file, `notebooks/bands.toml`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tbcore.course.places import course
from tbcore.errors import InputError

__all__ = ["Band", "band", "load"]


class Band(BaseModel):
    """A closed interval for one number on one profile.

    `unit` is free text ("share", "minutes"); `why` says what the limits come from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    profile: str
    low: float
    high: float
    unit: str
    why: str

    @model_validator(mode="after")
    def _ordered(self) -> Band:
        if not self.low <= self.high:
            raise ValueError(f"band {self.name!r}: low must not exceed high; got {self.low} and {self.high}")
        return self

    def holds(self, value: float) -> bool:
        """Whether the value lies in the band, limits included."""
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}"


def load(path: Path | None = None) -> tuple[Band, ...]:
    """Every band of a file, the course's own by default; none if the file is not there.

    Raises:
        InputError: a band is malformed or named twice; the message names the file.
    """
    place = path or course().notebooks / "bands.toml"
    if not place.is_file():
        return ()
    try:
        rows = tomllib.loads(place.read_text("utf-8")).get("band", [])
        bands = tuple(Band.model_validate(row) for row in rows)
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise InputError(f"{place}: {error}") from error
    keys = [(one.name, one.profile) for one in bands]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise InputError(f"{place}: each name stands once per profile; {twice[0]} stands there twice")
    return bands


def band(name: str, profile: str, path: Path | None = None) -> Band | None:
    """The band of a number on a profile; None where none is claimed, as for most numbers of `smoke`."""
    return next((one for one in load(path) if one.name == name and one.profile == profile), None)
