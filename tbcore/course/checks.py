"""What a lesson says to its reader: verdicts, bands, expected errors, progress, figures with alt text."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any, TypeVar

from tbcore import store
from tbcore.course import bands, lesson
from tbcore.course.exercises import Hint, check_of

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

__all__ = [
    "EDITION_VARIABLE",
    "NOT_ATTEMPTED",
    "NOT_YET",
    "PASSED",
    "check",
    "expect_error",
    "progress",
    "show",
    "verdicts_file",
    "within",
]

EDITION_VARIABLE = "TBCORE_EDITION"

PASSED = "passed"
NOT_ATTEMPTED = "not attempted yet"
NOT_YET = "not yet"

_EVERY_S = 10.0  # a line of progress at most this often

T = TypeVar("T")


class _NotAttemptedError(Exception):
    """The learner's function returned None."""


def check(name: str, answer: Any) -> None:
    """Say whether an exercise is solved, and record the verdict in the run folder.

    Args:
        name: such as "01.2".
        answer: the learner's object; None, or a function returning None, is "not attempted yet".
    """
    verdict, hint = _judge(name, answer)
    sign = {PASSED: "✔", NOT_ATTEMPTED: "…", NOT_YET: "✘"}[verdict]
    print(f"{sign} exercise {name}: {verdict}" + (f": {hint}" if hint else ""))
    step = lesson.current()
    if step is not None:
        path = verdicts_file(step.path)
        known = store.read_json(path) if path.is_file() else {}
        store.write_json(path, {**known, name: {"verdict": verdict, "hint": hint}})


def verdicts_file(step_folder: Path, edition: str | None = None) -> Path:
    """Where the verdicts of an edition are kept; the edition of this process by default."""
    name = edition or os.environ.get(EDITION_VARIABLE, "own")
    return step_folder / f"checks-{name}.json"


def _judge(name: str, answer: Any) -> tuple[str, str]:
    verify = check_of(name)
    if answer is None:
        return NOT_ATTEMPTED, ""
    try:
        verify(_watched(answer) if callable(answer) else answer)
    except _NotAttemptedError:
        return NOT_ATTEMPTED, ""
    except Hint as hint:
        return NOT_YET, str(hint)
    except Exception as error:  # whatever the learner's code raises is an answer to explain, not our crash
        return NOT_YET, f"your answer raised {type(error).__name__}: {error}"
    return PASSED, ""


def _watched(answer: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        value = answer(*args, **kwargs)
        if value is None:
            raise _NotAttemptedError
        return value

    return call


def within(name: str, value: float) -> bool:
    """Print a number beside its band, and say whether it lies in it.

    Returns:
        False only if a band exists for this profile and the value lies outside.
    """
    step = lesson.current()
    profile = step.profile.name if step else "laptop"
    limits = bands.band(name, profile)
    if limits is None:
        print(f"{name} = {value:.4g} (profile {profile} claims no band)")
        return True
    inside = limits.holds(value)
    verdict = "inside" if inside else "OUTSIDE"
    print(f"{name} = {value:.4g}, {verdict} its band {limits} ({limits.why})")
    return inside


@contextlib.contextmanager
def expect_error(*kinds: type[BaseException]) -> Iterator[None]:
    """Show an error that is meant to happen, and fail if it does not.

    Raises:
        AssertionError: the block ended without one of the errors.
    """
    names = " or ".join(kind.__name__ for kind in kinds)
    try:
        yield
    except kinds as error:
        print(f"{type(error).__name__}, as expected: {error}")
    else:
        raise AssertionError(f"this cell should have raised {names}, but nothing was wrong")


def progress(items: Iterable[T], label: str, *, total: int | None = None) -> Iterator[T]:
    """Pass the items on and print a plain line now and then: also readable in a saved notebook.

    Args:
        items: what to go through.
        label: what is being done.
        total: how many there are, if `items` cannot say.
    """
    count = total if total is not None else (len(items) if isinstance(items, Sized) else None)
    began = last = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= _EVERY_S:
            print(f"{label}: {done}{f' of {count}' if count else ''}, {now - began:.0f} s", flush=True)
            last = now
    print(f"{label}: {done}, {time.monotonic() - began:.1f} s", flush=True)


def show(figure: Figure, *, alt: str) -> None:
    """Display a figure once, as a picture that carries its alt text.

    Args:
        figure: a matplotlib figure.
        alt: what the figure shows, as a finding: "Topics separate: each colour is one island".

    Raises:
        ValueError: alt text shorter than a finding can be.
    """
    from tbcore.course import figures

    if len(alt.split()) < 4:
        raise ValueError(f"checks.show: alt must state the finding in a sentence; got {alt!r}")
    figures.display_figure(figure, alt=alt.strip())
