"""How the records of `tbcore.demo.inside` are made from a trained model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tbcore.demo.inside import Glance, Inside, ReadOut, TokenSeen
from tbcore.demo.transcript import Transcript
from tbcore.errors import InputError
from tbcore.model.batch import collate
from tbcore.model.mim import MIMForConditionalGeneration
from tbcore.model.processor import MIMProcessor
from tbcore.records import Dialogue
from tbcore.world.captions import caption, parse_caption
from tbcore.world.reader import read
from tbcore.world.scenes import Scene

__all__ = ["glances", "look_inside", "read_outs", "tokens_seen"]

_OTHERS = 5


def look_inside(model: MIMForConditionalGeneration, processor: MIMProcessor, transcript: Transcript) -> Inside:
    """All there is to see of the last reply of a conversation.

    Args:
        model: in eval mode.
        processor: the model's own.
        transcript: ends with the assistant; its pictures have the size the tower takes.

    Raises:
        InputError: it does not end with a reply.
    """
    if not transcript.turns or len(transcript.turns) % 2:
        raise InputError("look inside: the conversation must end with a reply. Send a message first.")
    features = torch.zeros(0, model.vision.n_patches, model.vision.width)
    if transcript.pictures:
        features = model.vision.patches(np.stack([processor.picture(picture) for picture in transcript.pictures]))
    seen = tokens_seen(model, processor, transcript, features)
    return Inside(seen, glances(model, features) if len(features) else (), read_outs(transcript))


@torch.no_grad()
def tokens_seen(
    model: MIMForConditionalGeneration, processor: MIMProcessor, transcript: Transcript, features: Tensor
) -> tuple[TokenSeen, ...]:
    """Every token of the last reply: its text first, then the captions of its drawings, branch by branch."""
    dialogue = Dialogue("inside", transcript.turns, tuple(words or "-" for words in transcript.captions))
    example = processor.example(dialogue)
    assert example is not None, "a conversation without a limit always fits"
    before = len(processor.prompt(transcript.turns[:-1], dialogue.captions))
    n_drawn, n_branches = len(transcript.turns[-1].pictures), int(example.segment.max())
    first_branch = n_branches - n_drawn + 1 if n_branches else 1
    main = (example.segment == 0) & (np.arange(len(example)) >= before - 1)
    here = main | (example.segment >= first_branch)
    batch = collate([example], [features[list(example.pictures)]])
    kept = model.config.kept_ids
    model.slice_head(None)  # a person may have corrected the reply with words the training never used
    try:
        out = model(**batch)
    finally:
        model.slice_head(None if kept is None else set(kept))
    rows = [row for row, column in enumerate(out.columns.tolist()) if here[column]]
    likely = out.logits[rows].float().softmax(dim=-1)
    best, ids = likely.topk(min(_OTHERS, likely.shape[-1]), dim=-1)
    seen: list[TokenSeen] = []
    for row, chances in enumerate(likely):
        column = int(out.columns[rows[row]])
        wanted = int(example.targets[column])
        others = [(_word(processor, int(k)), float(p)) for k, p in zip(ids[row], best[row], strict=True)]
        branch = max(0, int(example.segment[column]) - first_branch + 1)
        seen.append(TokenSeen(_word(processor, wanted), float(chances[wanted]), tuple(others), branch))
    return tuple(seen)


@torch.no_grad()
def glances(model: MIMForConditionalGeneration, features: Tensor) -> tuple[Glance, ...]:
    """The attention of the last layer of the Q-Former, mean over its heads; nothing for other connectors.

    Args:
        model: in eval mode.
        features: float[i p d_vis].
    """
    blocks = getattr(getattr(model.connector, "qformer", None), "blocks", None)
    if blocks is None:
        return ()
    look: Any = blocks[-1].look
    caught: list[tuple[Tensor, ...]] = []

    def catch(_module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        caught.append(inputs)

    hook = look.register_forward_pre_hook(catch)
    try:
        model.vectors(features)
    finally:
        hook.remove()
    asking, telling, bias = caught[0]
    queries = look.ask(asking).unflatten(-1, (look.n_heads, -1)).transpose(1, 2)
    keys = look.tell(telling).unflatten(-1, (2, look.n_heads, -1)).permute(2, 0, 3, 1, 4)[0]
    scores = queries @ keys.transpose(-1, -2) / math.sqrt(queries.shape[-1]) + bias
    weights = scores.softmax(dim=-1).mean(dim=1)  # i q p
    side = math.isqrt(weights.shape[-1])
    if side**2 != weights.shape[-1]:
        return ()
    return tuple(Glance(k, side, tuple(map(tuple, one))) for k, one in enumerate(weights.tolist()))


def read_outs(transcript: Transcript) -> tuple[ReadOut, ...]:
    """The drawings of the last reply, read exactly, beside the captions they were drawn from."""
    return tuple(
        _read_out(index, transcript.captions[index], transcript.pictures[index])
        for index in (transcript.turns[-1].pictures if transcript.turns else ())
    )


def _read_out(index: int, asked: str, picture: NDArray[np.uint8]) -> ReadOut:
    if picture.shape != (64, 64, 3):
        return ReadOut(index, asked, "only postcards of 64 by 64 pixels can be read", None)
    reading, wanted = read(picture), parse_caption(asked)
    if reading.scene is None:
        return ReadOut(index, asked, f"not readable: {reading.reason}", None)
    agrees = _same(wanted, reading.scene) if isinstance(wanted, Scene) else None
    return ReadOut(index, asked, caption(reading.scene), agrees)


def _same(wanted: Scene, found: Scene) -> bool:
    """Things and backdrop; a frame only where one was asked for."""
    framed = wanted.frame is None or wanted.frame == found.frame
    return (wanted.backdrop, wanted.things) == (found.backdrop, found.things) and framed


def _word(processor: MIMProcessor, token: int) -> str:
    """A token as it is written; control tokens by their names."""
    names: Sequence[str] = ("<image>", "<start>", "<end>")
    past = token - processor.vocab_size
    return names[past] if 0 <= past < len(names) else processor.tokenizer.decode([token])
