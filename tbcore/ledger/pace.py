"""How many calls may be under way at once, learned from what the teacher does.

Additive increase, multiplicative decrease (AIMD): each answer adds a little room, a teacher that says "busy"
halves it, and answers that take much longer than they did take a fifth of it. When nothing succeeds any more
the circuit opens: one call at a time, with growing pauses, until one passes or patience ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tbcore.chat.messages import CallFailure
from tbcore.errors import InputError, TeacherError

__all__ = ["CircuitOpenError", "Pace", "PaceRules"]

_SMOOTHING = 0.1
_DRIFT = 1.002


class CircuitOpenError(TeacherError):
    """Nothing has succeeded for so long that going on makes no sense."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PaceRules:
    """Limits of the pace.

    Args:
        most: calls under way at once, never more.
        start: where it begins; `most` when None.
        slow: answers this many times slower than at their fastest count as a sign of overload.
        open_after: failures in a row, without any success, that open the circuit.
        first_pause_s: seconds before a failed call is tried again, doubled with each failure in a row.
        longest_pause_s: seconds; longer wishes of the teacher are obeyed all the same.
        give_up_after_s: seconds without any success, counted from the first failure, that end the run.

    Raises:
        InputError: a number that makes no sense.
    """

    most: int = 32
    start: int | None = None
    slow: float = 3.0
    open_after: int = 20
    first_pause_s: float = 0.5
    longest_pause_s: float = 60.0
    give_up_after_s: float = 900.0

    def __post_init__(self) -> None:
        if self.most < 1 or not 1 <= (self.start or self.most) <= self.most or self.open_after < 1 or self.slow <= 1:
            raise InputError(
                "PaceRules: most and open_after must be at least 1, start between 1 and most, slow above 1; "
                f"got {self}."
            )


class Pace:
    """The state; times are seconds of one monotonic clock, given by the caller, so it can be replayed."""

    def __init__(self, rules: PaceRules | None = None) -> None:
        self.rules = rules or PaceRules()
        self.limit = float(self.rules.start or self.rules.most)
        self.not_before = 0.0
        self.decreases = 0
        self._changed_at = -math.inf
        self._smooth: float | None = None
        self._fastest = math.inf
        self._failures = 0
        self._busy_in_a_row = 0
        self._failing_since: float | None = None
        self._ever = False

    @property
    def room(self) -> int:
        """Calls that may be under way now, at least 1."""
        return 1 if self.is_open else max(1, int(self.limit))

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open: one call at a time, to see whether anything passes."""
        return self._failures >= self.rules.open_after

    def answered(self, now: float, sent_at: float) -> None:
        """An answer came; calls sent before the last decrease do not count as news about the new limit."""
        took = now - sent_at
        self._failures = self._busy_in_a_row = 0
        self._failing_since = None
        self._ever = True
        self._smooth = took if self._smooth is None else self._smooth + _SMOOTHING * (took - self._smooth)
        # The fastest is forgotten slowly, so a teacher that got slower for good is not punished for ever.
        self._fastest = min(self._fastest * _DRIFT, self._smooth)
        if sent_at < self._changed_at:
            return
        if self._smooth > self.rules.slow * self._fastest and self.limit > 1:
            self._decrease(0.8, now)
        else:
            self.limit = min(float(self.rules.most), self.limit + 1 / self.limit)

    def failed(self, kind: CallFailure, now: float, sent_at: float, retry_after_s: float | None = None) -> float:
        """A call failed; returns the seconds this call should wait before another try.

        Raises:
            CircuitOpenError: nothing has passed for `give_up_after_s`, or nobody ever listened.
        """
        if kind in {"rejected", "unreadable"}:  # the teacher is well; this prompt or answer is not
            self._failures = 0
            return 0.0
        self._failures += 1
        self._failing_since = now if self._failing_since is None else self._failing_since
        if now - self._failing_since > self.rules.give_up_after_s:
            raise CircuitOpenError(
                f"no call has succeeded for {now - self._failing_since:.0f} s ({self._failures} failures in a row, the "
                f"last: {kind}). What was answered is kept; look at the teacher's status page and run again later."
            )
        if kind == "not_sent" and self.is_open and not self._ever:
            raise CircuitOpenError(
                f"{self._failures} calls in a row could not even connect, and none ever did. Is the server running, "
                "and is base_url right?"
            )
        if kind == "busy":
            if sent_at >= self._changed_at:
                self._decrease(0.5, now)
                self._busy_in_a_row += 1
            wait = retry_after_s if retry_after_s is not None else self._backoff(self._busy_in_a_row)
            self.not_before = max(self.not_before, now + wait)
            return wait
        wait = self._backoff(self._failures)
        if self.is_open:
            self.not_before = max(self.not_before, now + wait)
        return wait if retry_after_s is None else retry_after_s

    def _backoff(self, times: int) -> float:
        doubled = self.rules.first_pause_s * 2.0 ** max(0, min(times - 1, 16))
        return min(self.rules.longest_pause_s, doubled)

    def _decrease(self, factor: float, now: float) -> None:
        self.limit = max(1.0, self.limit * factor)
        self._changed_at = now
        self.decreases += 1
