"""What turns code into lessons: runner, editions, checks, quizzes, figures. Only this package prints."""

from __future__ import annotations

__all__: list[str] = []
