"""Tasks and labels as Label Studio imports and exports them (JSON), so that a team can rate in a tool it knows.

Source: Label Studio's documented task format: `data`, and `annotations` with a `result` per control of the
labelling configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from tbcore.data.refine.labels import CHARACTER_TAGS, ERROR_TAGS, QUALITIES, Label, latest
from tbcore.errors import InputError
from tbcore.records import Dialogue

__all__ = ["from_label_studio", "labelling_config", "to_label_studio"]

_SHOWN = "dialogue"


def labelling_config() -> str:
    """The XML that a Label Studio project needs: the talk, one quality, tags, a note; everything shown as text."""

    def choices(name: str, values: Sequence[str], how: str) -> str:
        inside = "".join(f"<Choice value={quoteattr(value)}/>" for value in values)
        return f'<Choices name="{name}" toName="{_SHOWN}" choice="{how}">{inside}</Choices>'

    return (
        f'<View><Paragraphs name="{_SHOWN}" value="$turns" nameKey="role" textKey="text" layout="dialogue"/>'
        f"{choices('quality', tuple(reversed(QUALITIES)), 'single-radio')}"
        f"{choices('tags', CHARACTER_TAGS + ERROR_TAGS, 'multiple')}"
        f'<TextArea name="note" toName="{_SHOWN}" maxSubmissions="1"/></View>'
    )


def to_label_studio(dialogues: Iterable[Dialogue], labels: Iterable[Label] = ()) -> list[dict[str, Any]]:
    """One task per dialogue, with the labels that count as its annotations."""
    by_record: dict[str, list[Label]] = {}
    for label in latest(labels).values():
        by_record.setdefault(label.record, []).append(label)
    return [
        {
            "data": {"record": one.id, "group": one.group, "turns": _turns(one), "captions": list(one.captions)},
            "annotations": [_annotation(label) for label in by_record.get(one.id, [])],
        }
        for one in dialogues
    ]


def from_label_studio(tasks: Iterable[Mapping[str, Any]]) -> list[Label]:
    """The labels in an export, in the order of its tasks.

    Who rated is the `rater` that `to_label_studio` wrote, else the mail address or number Label Studio gives in
    `completed_by`. Cancelled annotations are left out, as the tool does.

    Raises:
        InputError: an annotation has no quality, or tags that do not go with it.
    """
    found: list[Label] = []
    for number, task in enumerate(tasks):
        record = str(task.get("data", {}).get("record", ""))
        if not record:
            raise InputError(f"Label Studio task {number}: data.record is missing. Import tasks made by this package.")
        for one in task.get("annotations", ()):
            if not one.get("was_cancelled"):
                found.append(_label(record, one))
    return found


def _turns(dialogue: Dialogue) -> list[dict[str, str]]:
    shown = [
        "".join(
            part if isinstance(part, str) else f"[picture {part.index}: {dialogue.captions[part.index]}]"
            for part in turn.parts
        )
        for turn in dialogue.turns
    ]
    return [{"role": turn.role, "text": text} for turn, text in zip(dialogue.turns, shown, strict=True)]


def _annotation(label: Label) -> dict[str, Any]:
    def result(name: str, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
        return {"from_name": name, "to_name": _SHOWN, "type": kind, "value": dict(value)}

    results = [result("quality", "choices", {"choices": [label.quality]})]
    if label.tags:
        results.append(result("tags", "choices", {"choices": list(label.tags)}))
    if label.note:
        results.append(result("note", "textarea", {"text": [label.note]}))
    return {"result": results, "meta": {"rater": label.rater}, "created_at": label.time}


def _label(record: str, annotation: Mapping[str, Any]) -> Label:
    values: dict[str, Any] = {str(one["from_name"]): one["value"] for one in annotation.get("result", ())}
    quality: Any = next(iter(values.get("quality", {}).get("choices", ())), None)
    if quality is None:
        raise InputError(f"Label Studio annotation of {record!r}: no quality was chosen. Make the choice required.")
    tags = tuple(values.get("tags", {}).get("choices", ()))
    note = "\n".join(values.get("note", {}).get("text", ()))
    who = annotation.get("completed_by", "")
    rater = annotation.get("meta", {}).get("rater") or (who.get("email") if isinstance(who, Mapping) else str(who))
    return Label(record, str(rater), quality, tags, note, str(annotation.get("created_at", "")))
