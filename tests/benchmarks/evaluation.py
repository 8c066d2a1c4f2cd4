"""What an evaluation costs with everything in memory that was read and said, against reading and writing all afresh.

    python -m tests.benchmarks.evaluation --checkpoint runs/laptop/06_training/checkpoint --conversations 20

The same conversations are held three times, by the rows that notebook 08 needs: the model, the model with an exact
painter, blind, and with pictures told in words. Afresh; one row after the other with a memory; and all rows in one step
(`tbcore.bench.runner.run_rows`), as the notebook does. Columns and steps are counted; seconds are of this process alone
where it has one thread. Without a checkpoint a tiny random model takes its place: counts, but no times worth reading.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from tbcore.bench.contestants import Answer, Contestant, Drawing, Sofar
from tbcore.bench.controls import Blind, ExactPainter, Told
from tbcore.bench.items import Item, load_items
from tbcore.bench.mim import MIMContestant
from tbcore.bench.runner import BATCH, Replies, Row, run, run_rows
from tbcore.model.decode import DecodeSettings, generate
from tbcore.model.history import History
from tests.benchmarks.model_peak import clock

__all__ = ["compare", "main"]


class Forgetful(MIMContestant):
    """Reads and writes everything afresh."""

    def drawing_with(self, painter: Any, name: str | None = None, *, head: Any = None) -> Forgetful:
        """The same model with another painter."""
        return Forgetful(self.model, self.processor, painter, settings=self.settings, name=name or self.name, head=head)

    def answer(self, conversations: Sequence[Sofar]) -> list[Answer]:
        """What the model says next."""
        prompts = [self._prompt(one) for one in conversations]
        replies = generate(
            self.model, self.processor.layout, prompts, painter=self.painter, settings=self.settings, head=self.head
        )
        parts = [[p if isinstance(p, str) else Drawing(p.caption, p.picture) for p in one.parts] for one in replies]
        return [Answer(tuple(one)) for one in parts]


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count columns fed, filler among them, and the passes they are fed in."""
    counts: Counter[str] = Counter()
    feed = History.feed_all

    def counted(self: History, inputs: Tensor, wanted: Tensor) -> Tensor:
        counts["columns"] += inputs.shape[0] * inputs.shape[1]
        counts["real columns"] += int(wanted.sum())
        counts["passes"] += 1
        return feed(self, inputs, wanted)

    History.feed_all = counted  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        History.feed_all = feed  # type: ignore[method-assign]


def _rows(model: MIMContestant, items: Sequence[Item]) -> dict[str, Contestant]:
    return {
        "the model": model,
        "exact painter": model.drawing_with(ExactPainter()),
        "blind": Blind(model),
        "pictures told": Told(model, items),
    }


def _said(replies: Replies, items: Sequence[Item]) -> list[tuple[str, ...]]:
    answers = [replies[item.id, number] for item in items for number in range(len(item.exchanges))]
    return [tuple(p if isinstance(p, str) else p.caption for p in one.parts) for one in answers]


class _Grey(ExactPainter):
    """A painter that is always a little wrong, so that histories part as they do with a real one."""

    def paint(self, captions: Sequence[str], seeds: Sequence[int]) -> Any:
        """Exact drawings, paler."""
        return super().paint(captions, seeds) // 2 + 60


def compare(
    model: Any, processor: Any, items: Sequence[Item], *, tokens: int = 48, batch: int = BATCH
) -> dict[str, Any]:
    """Hold the conversations in three ways.

    Args:
        model: in eval mode.
        processor: the model's own.
        items: the conversations.
        tokens: most of one reply, its caption included.
        batch: conversations asked at once where there is a memory; 16 where there is none.

    Returns:
        Counts and seconds of each way; "ratio": in memory over afresh; "ratio together": rows together over in memory;
        "equal replies" and "equal replies together": how many are those of afresh, and of how many.
    """
    settings = DecodeSettings(max_tokens=tokens, max_pictures=2)
    found: dict[str, Any] = {}
    replies: dict[str, list[tuple[str, ...]]] = {}
    ways = (("afresh", Forgetful, 16), ("in memory", MIMContestant, batch), ("rows together", MIMContestant, batch))
    for name, kind, size in ways:
        with counting() as counts:
            begun = clock()
            rows = list(_rows(kind(model, processor, _Grey(), settings=settings), items).values())
            if name == "rows together":
                held = run_rows([Row(items, row) for row in rows], batch=size)
            else:
                held = [run(items, row, batch=size) for row in rows]
            replies[name] = [one for each in held for one in _said(each, items)]
            found[name] = {"seconds": clock() - begun, **counts}
    for name, one, other in (("ratio", "in memory", "afresh"), ("ratio together", "rows together", "in memory")):
        found[name] = {key: found[one][key] / found[other][key] for key in found[other]}
    for name, one in (("equal replies", "in memory"), ("equal replies together", "rows together")):
        same = sum(a == b for a, b in zip(replies["afresh"], replies[one], strict=True))
        found[name] = [same, len(replies["afresh"])]
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, help="trained model; none: a tiny random one")
    parser.add_argument("--conversations", type=int, default=10)
    parser.add_argument("--batch", type=int, default=BATCH, help="conversations asked at once")
    parser.add_argument("--tokens", type=int, help="most of one reply; by default 48, of the tiny model 12")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.checkpoint is None:
        from tbcore.model.tiny import tiny_model

        model, processor = tiny_model()
    else:
        from tbcore.train.build import load_model

        model, processor = load_model(options.checkpoint)
    everyone = load_items("lite")
    step = max(1, len(everyone) // options.conversations)
    items = everyone[::step][: options.conversations]
    tokens = options.tokens or (48 if options.checkpoint else 12)
    found = compare(model, processor, items, tokens=tokens, batch=options.batch)
    print(json.dumps(found, indent=1))
    if options.out is not None:
        from tbcore.store import write_json

        write_json(options.out, found)


if __name__ == "__main__":
    main()
