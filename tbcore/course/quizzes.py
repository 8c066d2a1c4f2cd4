"""Quizzes: questions as checked data, shown as a widget with a static twin below it.

One file per notebook, `notebooks/quizzes/NN_name.json`:

    {"notebook": "01_clustering", "items": [
      {"id": "01.q1", "question": "...", "options": [
        {"text": "...", "right": true, "explanation": "..."},
        {"text": "...", "right": false, "explanation": "...", "misconception": "..."}]}]}
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tbcore.course.places import course
from tbcore.errors import InputError, MissingFileError

if TYPE_CHECKING:
    from ipywidgets import VBox

__all__ = ["Item", "Option", "Quiz", "load", "show", "static_twin", "widget"]

_STRICT = ConfigDict(extra="forbid", frozen=True)


class Option(BaseModel):
    """One possible answer; a wrong one names the misconception it betrays."""

    model_config = _STRICT

    text: str = Field(min_length=1)
    right: bool
    explanation: str = Field(min_length=1)
    misconception: str | None = None

    @model_validator(mode="after")
    def _named(self) -> Option:
        if self.right == (self.misconception is not None):
            raise ValueError(f"option {self.text!r}: exactly the wrong options name a misconception")
        return self


class Item(BaseModel):
    """One question with two to five options, exactly one of them right."""

    model_config = _STRICT

    id: str = Field(pattern=r"^(?:\d\d|A\d)\.q\d+$")
    question: str = Field(min_length=1)
    options: tuple[Option, ...] = Field(min_length=2, max_length=5)

    @model_validator(mode="after")
    def _one_right(self) -> Item:
        right = sum(option.right for option in self.options)
        if right != 1:
            raise ValueError(f"question {self.id}: exactly one option is right; found {right}")
        if len({option.text for option in self.options}) != len(self.options):
            raise ValueError(f"question {self.id}: two options say the same")
        return self

    def feedback(self, chosen: int) -> str:
        """What the reader is told after choosing an option, by its position."""
        option = self.options[chosen]
        return f"{'Right' if option.right else 'Not quite'}. {option.explanation}"


class Quiz(BaseModel):
    """The questions of one notebook."""

    model_config = _STRICT

    notebook: str
    items: tuple[Item, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _numbered(self) -> Quiz:
        ids = [item.id for item in self.items]
        strange = [one for one in ids if not one.startswith(self.notebook[:2])]
        if len(set(ids)) != len(ids) or strange:
            raise ValueError(f"quiz {self.notebook}: ids are unique and start with its number; got {ids}")
        return self


def load(number: str, folder: Path | None = None) -> Quiz:
    """The quiz of a notebook, by number such as "01".

    Raises:
        MissingFileError: there is none.
        InputError: the file breaks the schema.
    """
    place = folder or course().notebooks / "quizzes"
    found = sorted(place.glob(f"{number}_*.json"))
    if not found:
        raise MissingFileError(f"{place}: no quiz for notebook {number}; expected {number}_name.json")
    try:
        return Quiz.model_validate_json(found[0].read_bytes())
    except ValidationError as error:
        raise InputError(f"{found[0]}: {error}") from error


def show(number: str) -> None:
    """Display the quiz of a notebook: radio buttons, and below them the same questions to unfold."""
    from IPython.display import HTML, display

    quiz = load(number)
    display(widget(quiz))
    display(HTML(static_twin(quiz)))


def widget(quiz: Quiz) -> VBox:
    """A widget tree: per question its text, radio buttons and a line of feedback."""
    import ipywidgets as widgets

    return widgets.VBox([_question(item) for item in quiz.items])


def _question(item: Item) -> VBox:
    import ipywidgets as widgets

    told = widgets.HTML()
    choice = widgets.RadioButtons(
        options=[(option.text, n) for n, option in enumerate(item.options)],
        value=None,
        layout=widgets.Layout(width="max-content"),
    )

    def answer(change: dict[str, int]) -> None:
        told.value = html.escape(item.feedback(change["new"]))

    choice.observe(answer, names="value")
    title = widgets.HTML(f"<b>{html.escape(item.id)}</b> {html.escape(item.question)}")
    return widgets.VBox([title, choice, told])


def static_twin(quiz: Quiz) -> str:
    """The quiz as HTML that needs no widget: every option unfolds to what choosing it would say."""
    parts = ["<section aria-label='quiz, static version'>"]
    for item in quiz.items:
        parts.append(f"<p><b>{html.escape(item.id)}</b> {html.escape(item.question)}</p>")
        for n, option in enumerate(item.options):
            summary, told = html.escape(option.text), html.escape(item.feedback(n))
            parts.append(f"<details><summary>{summary}</summary><p>{told}</p></details>")
    return "\n".join([*parts, "</section>"])
