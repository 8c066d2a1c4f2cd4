"""Pictures to vectors of length one, some at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tbcore.data.embed.encoders import Encoder
from tbcore.errors import InputError

__all__ = ["embed", "encode_batch"]


def embed(pictures: Iterable[NDArray[np.uint8]], encoder: Encoder, *, batch_size: int = 64) -> NDArray[np.float16]:
    """Vectors [n d] of length one, in the order of the pictures, half precision as they are stored.

    Raises:
        InputError: there are no pictures, or the encoder gives something else than one finite, non-zero
            vector for each; the message names the first such picture by its place.
    """
    rows: list[NDArray[np.float16]] = []
    done = 0
    left = iter(pictures)
    while batch := list(islice(left, batch_size)):
        vectors, good = encode_batch(batch, encoder)
        if not good.all():
            raise InputError(
                f"embed: encoder {encoder.name!r} gave no usable vector for picture {done + int(np.argmin(good))} "
                "(counting from 0): it is zero or not finite. Leave the picture out."
            )
        rows.append(vectors)
        done += len(batch)
    if not rows:
        raise InputError("embed: there are no pictures. Look at the rejections of the pairs.")
    return np.concatenate(rows)


def encode_batch(pictures: list[NDArray[np.uint8]], encoder: Encoder) -> tuple[NDArray[np.float16], NDArray[np.bool_]]:
    """Vectors [b d] of length one, and which of them are usable: finite and not zero.

    Raises:
        InputError: the encoder does not give one vector per picture.
    """
    vectors = np.asarray(encoder.encode(pictures), np.float32)
    if vectors.ndim != 2 or len(vectors) != len(pictures):
        raise InputError(
            f"embed: encoder {encoder.name!r} must give one vector per picture; got shape {vectors.shape} "
            f"for {len(pictures)} pictures."
        )
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    good = np.isfinite(length[:, 0]) & (length[:, 0] > 0)
    safe = np.where(good[:, None], length, 1)
    return (np.where(good[:, None], vectors, 0) / safe).astype(np.float16), good
