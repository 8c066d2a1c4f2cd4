"""The paper's own measures on recorded conversations: n-grams of the replies, similarity of the drawn pictures.

Every reply is asked for after the recorded history, so it can be laid beside the recorded reply. What these numbers
miss is shown by `what_they_miss`: a reply can be wrong and score as well as a right one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.contestants import Answer, Contestant, Sofar
from tbcore.bench.metrics.intervals import Measure
from tbcore.candidates import Candidate
from tbcore.chat.recorded import Recording
from tbcore.data.filter import judge_all
from tbcore.data.prompt import CANARY
from tbcore.dialogue import Codec
from tbcore.errors import MissingExtraError
from tbcore.records import Dialogue, PictureGroup
from tbcore.seeds import stream
from tbcore.store import read_jsonl
from tbcore.world.answers import matches
from tbcore.world.dialogue_story import Expectation
from tbcore.world.render import render_many
from tbcore.world.scenes import Scene

__all__ = [
    "Compared",
    "Embed",
    "ask_recorded",
    "held_out_recordings",
    "picture_similarity",
    "text_scores",
    "tower_embedding",
    "what_they_miss",
]

RECORDED = Path(__file__).parents[1] / "recorded"

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""uint8[n 64 64 3] -> float32[n d]: what the similarity of pictures is measured with."""

_FIRST = "prompt-1"  # replies to the whole prompt; shortened prompts were asked for to show faults
_DRAWS = 1000


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A recorded reply and the one that a contestant gave in its place.

    Attributes:
        dialogue: id of the conversation.
        turn: number of the reply, from 0.
        recorded: its words.
        pictures: those it shows, uint8[64 64 3] each.
        given: the contestant's reply.
    """

    dialogue: str
    turn: int
    recorded: str
    pictures: tuple[NDArray[np.uint8], ...]
    given: Answer


def held_out_recordings(
    folder: Path = RECORDED, *, splits: Sequence[str] = ("val", "test")
) -> list[tuple[Dialogue, NDArray[np.uint8]]]:
    """Recorded conversations about postcards that nothing trains on and no filter rule objects to.

    Args:
        folder: of groups.jsonl and conversations.jsonl.
        splits: of the picture groups.

    Returns:
        The conversations with their pictures uint8[i 64 64 3].
    """
    groups = {row["id"]: PictureGroup.from_json(row) for row in read_jsonl(folder / "groups.jsonl")}
    chosen = {name: group for name, group in groups.items() if group.split in splits and group.scenes}
    recorded = [Recording.from_json(row) for row in read_jsonl(folder / "conversations.jsonl")]
    candidates = [
        Candidate(
            id=f"{one.group}/{one.sample}",
            group=one.group,
            captions=chosen[one.group].captions,
            reply=one.reply,
            codec=Codec.from_version(one.codec),
            source=one.writer,
        )
        for one in recorded
        if one.group in chosen and one.prompt == _FIRST
    ]
    kept = [judged.dialogue for judged in judge_all(candidates, canary=CANARY) if judged.dialogue is not None]
    return [(dialogue, _drawn(chosen[dialogue.group])) for dialogue in kept]


def _drawn(group: PictureGroup) -> NDArray[np.uint8]:
    return render_many([Scene.from_json(scene) for scene in group.scenes or ()])


def ask_recorded(
    recordings: Sequence[tuple[Dialogue, NDArray[np.uint8]]], contestant: Contestant, *, batch: int = 64
) -> list[Compared]:
    """Ask for every reply of the assistant after the recorded history; failed replies stay, with their reason.

    The last replies are asked for first: their histories hold those of all others, so what was read serves them too.
    As no reply depends on another, each is asked for as if it opened its conversation (exchange 0).
    """
    waiting: list[_Waiting] = [one for dialogue, pictures in recordings for one in _waiting(dialogue, pictures)]
    last = {one.sofar.item: k for k, one in enumerate(waiting)}
    final = sorted(last.values())
    others = sorted(set(range(len(waiting))) - set(final))
    given: dict[int, Answer] = {}
    for chosen in (final, others):
        for start in range(0, len(chosen), batch):
            here = chosen[start : start + batch]
            given.update(zip(here, contestant.answer([waiting[k].sofar for k in here]), strict=True))
    return [Compared(one.sofar.item, one.turn, one.words, one.pictures, given[k]) for k, one in enumerate(waiting)]


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A recorded history, and the reply that was recorded after it."""

    sofar: Sofar
    turn: int
    words: str
    pictures: tuple[NDArray[np.uint8], ...]


def _waiting(dialogue: Dialogue, pictures: NDArray[np.uint8]) -> list[_Waiting]:
    """Every reply of the assistant but an opening one, with the history before it."""
    shown = tuple(pictures)
    who = {index: one.role for one in dialogue.turns for index in one.pictures}
    captions = tuple(c if who.get(k) == "assistant" else "" for k, c in enumerate(dialogue.captions))
    return [
        _Waiting(
            Sofar(dialogue.id, 0, dialogue.turns[:number], shown, captions, (None,) * len(shown)),
            number // 2,
            turn.text,
            tuple(pictures[index] for index in turn.pictures),
        )
        for number, turn in enumerate(dialogue.turns)
        if turn.role == "assistant" and number
    ]


def _sentences(text: str) -> str:
    return " ".join(text.split())


def text_scores(given: Sequence[str], recorded: Sequence[str]) -> dict[str, float]:
    """BLEU-2, BLEU-4 (0 to 100, over the corpus) and ROUGE-L (0 to 1, mean F) of replies against one reference each.

    Raises:
        MissingExtraError: sacrebleu or rouge-score is not installed.
        ValueError: there are not as many references as replies.

    Source: sacrebleu (arXiv:1804.08771); ROUGE (Lin, 2004).
    """
    if len(given) != len(recorded):
        raise ValueError(f"text_scores: need one reference for each reply; got {len(given)} and {len(recorded)}")
    try:
        from rouge_score.rouge_scorer import RougeScorer
        from sacrebleu.metrics.bleu import BLEU
    except ModuleNotFoundError as error:
        raise MissingExtraError("text_scores needs sacrebleu and rouge-score: pip install 'tbcore[bench]'") from error
    replies, references = [_sentences(text) for text in given], [[_sentences(text) for text in recorded]]
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    rouge = [scorer.score(r, g)["rougeL"].fmeasure for g, r in zip(replies, references[0], strict=True)]
    return {
        "bleu_2": BLEU(max_ngram_order=2).corpus_score(replies, references).score,
        "bleu_4": BLEU(max_ngram_order=4).corpus_score(replies, references).score,
        "rouge_l": float(np.mean(rouge)) if rouge else 0.0,
    }


def tower_embedding() -> Embed:
    """The shipped vision tower: unit vectors whose products are the similarities of a CLIP model."""
    from tbcore.train.build import shipped_tower

    tower = shipped_tower()

    def embed(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors: Any = tower.pooled(pictures).numpy()
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return embed


def picture_similarity(compared: Sequence[Compared], embed: Embed, *, seed: int = 0) -> list[Measure]:
    """Similarity of the first drawn picture with the first recorded one, for each reply number; -1 to 1.

    A picture that is missing counts 0. The interval draws whole conversations again.
    """
    wanted = [one for one in compared if one.pictures]
    if not wanted:
        return [Measure("clip_similarity", None, None, None, 0)]
    references = embed(np.stack([one.pictures[0] for one in wanted]))
    likeness = np.zeros(len(wanted))
    drawn = [k for k, one in enumerate(wanted) if one.given.drawings]
    if drawn:
        vectors = embed(np.stack([wanted[k].given.drawings[0].picture for k in drawn]))
        likeness[drawn] = (vectors * references[drawn]).sum(1)
    measures = [_mean("clip_similarity", wanted, likeness, seed)]
    for turn in sorted({one.turn for one in wanted}):
        rows = [k for k, one in enumerate(wanted) if one.turn == turn]
        measures.append(_mean(f"clip_similarity/turn {turn + 1}", [wanted[k] for k in rows], likeness[rows], seed))
    return measures


def _mean(metric: str, compared: Sequence[Compared], values: NDArray[np.float64], seed: int) -> Measure:
    names = list(dict.fromkeys(one.dialogue for one in compared))
    table = np.zeros((len(names), 2))
    for one, value in zip(compared, values, strict=True):
        table[names.index(one.dialogue)] += (value, 1)
    rng = stream(seed, f"paper {len(names)}")
    sums = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=_DRAWS) @ table
    low, high = np.quantile(sums[:, 0] / sums[:, 1], (0.025, 0.975))
    return Measure(metric, float(values.mean()), float(low), float(high), len(values))


def what_they_miss() -> list[dict[str, object]]:
    """Replies that n-grams cannot tell apart, and what the exact score says of each.

    The question is where the fox stands. The first two replies differ from the reference in the same one word, so
    every n-gram score is equal, but the second speaks of the wrong thing. The third is right in words of its own.
    """
    reference = "The fox is on the left."
    replies = ("The animal is on the left.", "The apple is on the left.", "You will find it at the left edge.")
    expected = Expectation("ask", facts={"position": "left", "noun": "fox"})
    return [
        {"reference": reference, "reply": reply, **text_scores([reply], [reference]), "right": matches(expected, reply)}
        for reply in replies
    ]
