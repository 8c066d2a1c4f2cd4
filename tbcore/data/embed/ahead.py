"""Decoding ahead of the model: worker threads load the next pictures while the model looks at the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from numpy.typing import NDArray

from tbcore.data.embed.encoders import Encoder
from tbcore.data.embed.store import VectorStore
from tbcore.data.embed.vectors import encode_batch
from tbcore.errors import InputError
from tbcore.records import Rejection

__all__ = ["Embedded", "embed_into", "load_ahead"]

Load = Callable[[], NDArray[Any]]
"""Gives one picture [y x 3]; called in a worker thread, where Pillow decodes without holding up the others."""


@dataclass
class Embedded:
    """What one run of `embed_into` did.

    Args:
        fresh: pictures the encoder looked at.
        reused: pictures whose vectors were stored before, or that came twice.
        rejections: pictures that could not be loaded, or whose vector is zero or not finite.
    """

    fresh: int = 0
    reused: int = 0
    rejections: list[Rejection] = field(default_factory=list[Rejection])


def embed_into(
    store: VectorStore,
    pictures: Iterable[tuple[str, Load]],
    encoder: Encoder,
    *,
    batch_size: int = 64,
    workers: int = 2,
) -> Embedded:
    """Embed what the store does not hold yet; a run that was killed goes on where the last part was written.

    Args:
        store: of the same encoder.
        pictures: pixel hash and how to load it; what is stored is not even loaded.
        encoder: if it has a method `prepare`, the worker threads call it on each picture.
        batch_size: pictures per call of the encoder.
        workers: threads that load.

    Raises:
        InputError: the encoder does not give one vector per picture.
    """
    done = Embedded()
    asked: set[str] = set()

    def missing() -> Iterator[tuple[str, Load]]:
        for image_id, load in pictures:
            if image_id in store or image_id in asked:
                done.reused += 1
            else:
                asked.add(image_id)
                yield image_id, load

    loaded = load_ahead(missing(), workers=workers, ahead=2 * batch_size, prepare=getattr(encoder, "prepare", None))
    while batch := list(islice(loaded, batch_size)):
        usable = [(one, pixels) for one, pixels in batch if not isinstance(pixels, Rejection)]
        done.rejections += [found for _, found in batch if isinstance(found, Rejection)]
        if usable:
            vectors, good = encode_batch([pixels for _, pixels in usable], encoder)
            kept = [one for (one, _), fine in zip(usable, good, strict=True) if fine]
            store.add(kept, vectors[good])
            words = f"encoder {encoder.name!r} gave a vector that is zero or not finite"
            done.rejections += [
                Rejection(one, "no_vector", None, words, "embed")
                for (one, _), fine in zip(usable, good, strict=True)
                if not fine
            ]
            done.fresh += len(usable)
        asked.difference_update(one for one, _ in batch if one in store)
    store.flush()
    return done


def load_ahead(
    pictures: Iterable[tuple[str, Load]],
    *,
    workers: int = 2,
    ahead: int = 128,
    prepare: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
) -> Iterator[tuple[str, NDArray[Any] | Rejection]]:
    """Yield loaded pictures in order; at most `ahead` of them are in memory or under way.

    A picture that cannot be loaded comes as a Rejection with code `unreadable_picture`.
    """
    left = iter(pictures)
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="decode") as pool:
        queue: deque[tuple[str, Future[NDArray[Any] | Rejection]]] = deque()
        try:
            while True:
                for image_id, load in islice(left, max(1, ahead) - len(queue)):
                    queue.append((image_id, pool.submit(_load, image_id, load, prepare)))
                if not queue:
                    return
                image_id, coming = queue.popleft()
                yield image_id, coming.result()
        finally:
            for _, coming in queue:
                coming.cancel()


def _load(
    image_id: str, load: Load, prepare: Callable[[NDArray[Any]], NDArray[Any]] | None
) -> NDArray[Any] | Rejection:
    try:
        picture = load()
    except (InputError, OSError) as error:
        return Rejection(image_id, "unreadable_picture", None, str(error), "embed")
    return picture if prepare is None else prepare(picture)
