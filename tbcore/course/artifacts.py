"""Files a lesson makes: written and read by suffix, and the digest of the code cell that makes them."""

from __future__ import annotations

import io
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tbcore.manifest import digest
from tbcore.store import read_json, read_jsonl, write_bytes, write_json, write_jsonl

__all__ = ["SUFFIXES", "function_digest", "load", "save"]

SUFFIXES = (".json", ".jsonl", ".npy")

_PLAIN = (bool, int, float, str, bytes, type(None))


def load(path: Path) -> Any:
    """Read what `save` wrote: an array, a JSON value or a list of objects."""
    match path.suffix:
        case ".npy":
            return np.load(path, allow_pickle=False)
        case ".json":
            return read_json(path)
        case ".jsonl":
            return list(read_jsonl(path))
        case _:
            raise ValueError(_unknown(path))


def save(path: Path, value: Any) -> None:
    """Write a value atomically; the suffix decides how.

    Raises:
        ValueError: another suffix than `SUFFIXES`.
    """
    match path.suffix:
        case ".npy":
            buffer = io.BytesIO()
            np.save(buffer, np.asarray(value), allow_pickle=False)
            write_bytes(path, buffer.getvalue())
        case ".json":
            write_json(path, value)
        case ".jsonl":
            write_jsonl(path, value)
        case _:
            raise ValueError(_unknown(path))


def function_digest(function: Callable[..., Any]) -> str:
    """Digest of what a function written in a notebook does.

    Follows the functions and plain values of the notebook that it names, so that editing a cell makes the
    files computed by it stale. Functions of installed packages count by name only.
    """
    return digest(_parts(function, seen=set()))


def _parts(function: Callable[..., Any], *, seen: set[int]) -> Any:
    code = getattr(function, "__code__", None)
    if not isinstance(code, types.CodeType) or id(code) in seen:
        return getattr(function, "__qualname__", type(function).__qualname__)
    seen.add(id(code))
    scope: dict[str, Any] = getattr(function, "__globals__", {})
    return {
        "code": _code(code),
        "names": {name: _named(scope[name], seen=seen) for name in _names(code, scope)},
    }


def _named(value: Any, *, seen: set[int]) -> Any:
    if isinstance(value, _PLAIN):
        return repr(value)
    if isinstance(value, tuple) and all(isinstance(item, _PLAIN) for item in value):
        return repr(value)
    if isinstance(value, types.FunctionType) and value.__module__ == "__main__":
        return _parts(value, seen=seen)
    return None  # data made by other cells: their own files and parameters stand for them


def _names(code: types.CodeType, scope: dict[str, Any]) -> list[str]:
    inner = [name for const in code.co_consts if isinstance(const, types.CodeType) for name in _names(const, scope)]
    return sorted({name for name in (*code.co_names, *inner) if name in scope and not name.startswith("_")})


def _code(code: types.CodeType) -> Any:
    consts = [_code(const) if isinstance(const, types.CodeType) else repr(const) for const in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), list(code.co_varnames), consts]


def _unknown(path: Path) -> str:
    return f"{path.name}: make() knows the suffixes {', '.join(SUFFIXES)}. Use one of them, or folder()."
