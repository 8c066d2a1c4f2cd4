"""A rehearsal before hours are paid for: load the parts, train one step, write one reply, paint one picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tbcore.course.doctor_looks import Finding
from tbcore.parts.accelerator import accelerator
from tbcore.parts.catalogue import Parts
from tbcore.parts.cost import need
from tbcore.records import Dialogue, Picture, Turn

if TYPE_CHECKING:
    from tbcore.model.mim import MIMForConditionalGeneration
    from tbcore.model.processor import MIMProcessor

__all__ = ["rehearsal"]

_STORY = Dialogue(
    "rehearsal",
    (
        Turn("user", (Picture(0), "What is this?")),
        Turn("assistant", ("A red boat on the sea.",)),
        Turn("user", ("Draw it at night.",)),
        Turn("assistant", ("Here it is.", Picture(1), "The moon is out.")),
    ),
    ("a red boat on the sea", "a red boat on the sea at night"),
)


def rehearsal(parts: Parts, *, seed: int = 0) -> list[Finding]:
    """Go through every door once, at the size that training will have.

    Args:
        parts: fetched where they are not here.
        seed: of the connector, the reply and the picture.

    Raises:
        MissingFileError, CheckpointError: a part cannot be loaded.
    """
    import torch

    from tbcore.model.parts import load_parts, load_parts_painter

    device = accelerator().device
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    found: list[Finding] = []

    def timed(matter: str, do: Callable[[], Any], tell: Callable[[Any], str]) -> Any:
        began = time.perf_counter()
        result = do()
        found.append(Finding(matter=matter, found=f"{tell(result)}, {time.perf_counter() - began:.1f} s"))
        return result

    model, processor = timed(
        "loading parts", lambda: load_parts(parts, device=device, dtype=dtype, seed=seed), lambda _: device
    )
    timed("training step", lambda: _one_step(model, processor, parts), lambda step: f"loss {step.loss:.2f}")
    peak = _peak(device)
    if peak:
        counted = sum(need(parts).training.values())
        found.append(Finding(matter="peak memory", found=f"{peak:.1f} GB; counted {counted:.1f} GB"))
    painter = load_parts_painter(parts, size=int(model.vision.size), device=device, dtype=dtype)
    timed("reply", lambda: _one_reply(model, processor, painter, seed), lambda reply: f"ended by {reply.finish}")
    timed(
        "picture",
        lambda: painter.paint(["a red boat on the sea"], [seed]),
        lambda drawn: f"{drawn.shape[2]} x {drawn.shape[1]} pixels",
    )
    return found


def _one_step(model: MIMForConditionalGeneration, processor: MIMProcessor, parts: Parts) -> Any:
    """One update of stage 2 on as many columns as a step of the real run has."""
    from tbcore.model.batch import collate
    from tbcore.train.loop import Training, train
    from tbcore.train.stages import INSTRUCT, Budget

    example = processor.example(_STORY)
    if example is None:
        raise ValueError(f"rehearsal: the dialogue {_STORY.id!r} has no column that teaches anything")
    many = max(1, parts.columns // len(example))
    seen = model.vision.patches(_pictures(processor.picture_size))
    batch = collate([example] * many, [seen[list(example.pictures)]] * many, columns=max(len(example), 1024))
    if model.config.lora is None:
        model.add_lora()
    run = Training(model, replace(INSTRUCT, columns=parts.columns), Budget(steps=1))
    (step,) = train(run, lambda number, progress: batch)  # noqa: ARG005 - the batch is always the same
    model.eval()
    return step


def _one_reply(model: MIMForConditionalGeneration, processor: MIMProcessor, painter: Any, seed: int) -> Any:
    from tbcore.model.decode import DecodeSettings, generate
    from tbcore.model.replies import Prompt

    prompt = Prompt(_STORY.turns[:1], (_pictures(processor.picture_size)[0],))
    settings = DecodeSettings(max_tokens=24, max_pictures=1, seed=seed)
    return generate(model, processor.layout, [prompt], painter=painter, settings=settings)[0]


def _pictures(size: int) -> Any:
    """Two pictures of the tower's size: a red boat, by day and by night, as a few rectangles."""
    import numpy as np

    pictures = np.empty((2, size, size, 3), dtype=np.uint8)
    for picture, sky, sea in zip(pictures, ((150, 200, 255), (20, 20, 60)), ((30, 90, 180), (10, 30, 70)), strict=True):
        picture[: size // 2], picture[size // 2 :] = sky, sea
        picture[size // 2 : size * 5 // 8, size // 4 : size * 3 // 4] = (200, 30, 30)
    return pictures


def _peak(device: str) -> float:
    """Most GB that torch held on the GPU; 0 where there is none."""
    import torch

    return torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else 0.0
