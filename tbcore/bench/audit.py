"""What leaked from training, what looks alike, and what can be guessed from the words alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tbcore.bench.controls import question_kind
from tbcore.bench.items import ITEMS_FILE, SPLITS, Item
from tbcore.errors import InputError
from tbcore.records import PictureGroup
from tbcore.seeds import stream
from tbcore.store import read_json, read_jsonl
from tbcore.world.backdrops import BACKDROPS
from tbcore.world.captions import BACKDROP_PHRASES
from tbcore.world.dialogues import simulate
from tbcore.world.render import render_many
from tbcore.world.scenes import FRAMES, Scene, sample_scene
from tbcore.world.splits import held_out, may_train
from tbcore.world.sprites import SPRITES

__all__ = ["audit", "balance", "guessable", "near_duplicates", "recorded_scenes", "template", "template_overlap"]

GROUPS_FILE = Path(__file__).parents[1] / "recorded" / "groups.jsonl"


def recorded_scenes(path: Path = GROUPS_FILE, *, split: str = "train") -> list[Scene]:
    """Scenes of the picture groups that conversations were recorded for, of one split."""
    groups = [PictureGroup.from_json(row) for row in read_jsonl(path)]
    return [Scene.from_json(scene) for group in groups if group.split == split for scene in group.scenes or ()]


def _names() -> re.Pattern[str]:
    places = [" ".join(words) for words in BACKDROP_PHRASES.values()]
    places += [words[1] for words in BACKDROP_PHRASES.values()]
    names = {"T": [f"{s.article} {noun}" for noun, s in SPRITES.items()] + list(SPRITES), "P": places + list(BACKDROPS)}
    names["C"] = list(FRAMES)
    each = [f"(?P<{k}>{'|'.join(re.escape(w) for w in sorted(v, key=len, reverse=True))})" for k, v in names.items()]
    return re.compile(rf"\b(?:{'|'.join(each)})\b", re.IGNORECASE)


_NAMES = _names()


def template(text: str) -> str:
    """What the user says with things, places and colours left open: "Is there T in the picture?"."""
    return _NAMES.sub(lambda match: str(match.lastgroup), " ".join(text.split()))


def template_overlap(items: Sequence[Item], trained: Iterable[str]) -> dict[str, float]:
    """Share of user messages, by split, whose template also occurs in training.

    The phrasing is shared on purpose in most splits; what is new there are the scenes. Where it should be new
    ("phrasing", "reference", "probe"), this says how much of it is.
    """
    known = {template(text) for text in trained}
    shares: dict[str, float] = {}
    for split in SPLITS:
        said = [_said(one.asked) for item in items if item.split == split for one in item.exchanges]
        if said:
            shares[split] = sum(template(text) in known for text in said) / len(said)
    return shares


def _said(parts: Iterable[object]) -> str:
    return "".join(part for part in parts if isinstance(part, str))


def near_duplicates(
    pictures: NDArray[np.uint8], trained: NDArray[np.uint8], *, distance: float = 4.0, size: int = 16
) -> list[int]:
    """Which pictures have a twin in training: a mean difference below `distance` grey levels at a small size.

    Args:
        pictures: uint8[n 64 64 3].
        trained: uint8[m 64 64 3].
        distance: root mean square, in grey levels; noise of sigma 8 in every pixel makes about 2 at this size.
        size: side to which both are averaged.
    """
    mine, theirs = _small(pictures, size), _small(trained, size)
    squares = (mine**2).sum(1)[:, None] - 2 * mine @ theirs.T + (theirs**2).sum(1)
    nearest = np.sqrt(np.maximum(squares.min(1), 0) / mine.shape[1])
    return [int(k) for k in np.flatnonzero(nearest < distance)]


def _small(pictures: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    n, side = len(pictures), pictures.shape[1] // size
    means = pictures.reshape(n, size, side, size, side, 3).mean((2, 4), dtype=np.float32)
    return means.reshape(n, -1)


def balance(items: Sequence[Item]) -> dict[str, float]:
    """Share of "yes" among yes/no questions (all, and single ones), of replies with a picture, and of each limit."""
    exchanges = [(item.split, one) for item in items for one in item.exchanges]
    asked = [(split, one.expect.facts["yes"]) for split, one in exchanges if "yes" in one.expect.facts]
    single = [yes for split, yes in asked if split == "probe"]
    kinds = Counter(one.expect.kind for _, one in exchanges)
    total = len(exchanges)
    return {
        "yes": sum(yes is True for _, yes in asked) / max(1, len(asked)),
        "yes in probes": sum(yes is True for yes in single) / max(1, len(single)),
        "with a picture": sum(one.expect.draws for _, one in exchanges) / total,
        "to be refused": kinds["refuse"] / total,
        "to be asked back": kinds["ask back"] / total,
    }


def guessable(items: Sequence[Item], *, folds: int = 5, seed: int = 0) -> dict[str, Any]:
    """What a model of the words alone solves of the questions about pictures, trained across folds of the items.

    Words and pairs of words of the question, logistic regression; conversations stay in one fold.

    Returns:
        "accuracy", "chance" (the best fixed answer to each kind of question), "n", and "solved by kind".

    Source: training on the test set (arXiv:2511.04655).
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    rows = [
        (item.id, template(_said(one.asked)), *question_kind(one.expect))
        for item in items
        for one in item.exchanges
        if one.expect.kind in ("ask", "compare")
    ]
    if len({name for name, *_ in rows}) < folds:
        raise InputError(f"guessable: need at least {folds} conversations with questions; got {len(rows)} questions")
    names = list(dict.fromkeys(name for name, *_ in rows))
    fold_of = dict(zip(names, stream(seed, "folds").permutation(len(names)) % folds, strict=True))
    right: Counter[tuple[str, ...]] = Counter()
    for fold in range(folds):
        train = [row for row in rows if fold_of[row[0]] != fold]
        test = [row for row in rows if fold_of[row[0]] == fold]
        model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(max_iter=200))
        model.fit([row[1] for row in train], [row[3] for row in train])
        guessed = model.predict([row[1] for row in test])
        right.update(row[2] for row, guess in zip(test, guessed, strict=True) if guess == row[3])
    asked = Counter(row[2] for row in rows)
    answers = {kind: Counter(row[3] for row in rows if row[2] == kind) for kind in asked}
    return {
        "accuracy": sum(right.values()) / len(rows),
        "chance": sum(counter.most_common(1)[0][1] for counter in answers.values()) / len(rows),
        "n": len(rows),
        "solved by kind": {" ".join(kind): round(right[kind] / asked[kind], 3) for kind in sorted(asked)},
    }


def audit(items: Sequence[Item], *, dialogues: int = 2000, pictures: int = 2000, seed: int = 0) -> dict[str, Any]:
    """All checks at once, as plain JSON values.

    Args:
        items: the conversations.
        dialogues: simulated training conversations to compare words with.
        pictures: training pictures to compare pictures with, beside those of the recordings.
        seed: of both.
    """
    scenes = [scene for item in items for scene in item.scenes]
    simulated = simulate(seed, dialogues)
    trained = set(recorded_scenes()) | {scene for one in simulated for scene in one.scenes}
    words = [turn.text for one in simulated for turn in one.dialogue.turns if turn.role == "user"]
    rng = stream(seed, "audit pictures")
    drawn = [*recorded_scenes(), *(sample_scene(rng) for _ in range(pictures))]
    distinct = list(dict.fromkeys(scenes))
    return {
        "scenes that may be trained on": sum(may_train(scene) for scene in scenes),
        "scenes that occur in training": sum(scene in trained for scene in distinct),
        "distinct scenes": len(distinct),
        "reasons": dict(Counter(reason for scene in distinct for reason in held_out(scene))),
        "near-duplicate pictures": len(near_duplicates(render_many(distinct), render_many(drawn))),
        "templates shared with training": template_overlap(items, words),
        "balance": balance(items),
        "guessable from words": guessable(items),
        "dropped while composing": read_json(ITEMS_FILE.with_suffix(".json"))["dropped"],
    }
