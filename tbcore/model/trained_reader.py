"""The second reader: a small convolutional network that names a postcard's scene.

It shares no line with `tbcore.world.reader`, which compares pictures with everything the world can show. Where two
readers that were built so differently agree, a verdict does not hang on the way one of them works.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tbcore.weights.zoo import ZOO, verify_zoo
from tbcore.world.scenes import BACKDROPS, FRAMES, Scene
from tbcore.world.sprites import SPRITES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TrainedReader", "load_trained_reader", "save_trained_reader"]

_NOUNS = tuple(SPRITES)
_NOTHING = len(_NOUNS)
_LAYOUTS: tuple[tuple[bool, ...], ...] = ((False, True, False), (True, False, True), (True, True, True))
_FILE = "reader.safetensors"


def _stage(from_channels: int, to_channels: int, side: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(from_channels, to_channels, side, stride, padding=0 if stride == side else 1, bias=False),
        nn.BatchNorm2d(to_channels),
        nn.ReLU(inplace=True),
    )


class TrainedReader(nn.Module):
    """Pixels to what stands left, in the middle and right, the backdrop and the frame."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(
            _stage(3, 64, 4, 4),
            _stage(64, 64, 3, 1),
            _stage(64, 128, 3, 2),
            _stage(128, 128, 3, 1),
            _stage(128, 24, 1, 1),
        )
        # Two thin matrices in place of a wide one: a quarter of the numbers, and nothing measurable is lost.
        self.think = nn.Sequential(
            nn.Flatten(), nn.Linear(24 * 8 * 8, 96, bias=False), nn.Linear(96, 256), nn.ReLU(inplace=True)
        )
        self.things = nn.Linear(256, 3 * (_NOTHING + 1))
        self.backdrop = nn.Linear(256, len(BACKDROPS))
        self.frame = nn.Linear(256, len(FRAMES) + 1)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """float[b 3 64 64] in -1..1 -> scores of things [b 3 97], backdrops [b 10], frames [b 7]."""
        seen = self.think(self.look(pixels))
        return self.things(seen).unflatten(1, (3, _NOTHING + 1)), self.backdrop(seen), self.frame(seen)

    @torch.no_grad()
    def read_many(self, pictures: NDArray[np.uint8]) -> list[Scene | None]:
        """Name the scene of each picture, uint8[n 64 64 3]; None where its best answer names one thing twice."""
        scenes: list[Scene | None] = []
        for start in range(0, len(pictures), 256):
            some = np.ascontiguousarray(pictures[start : start + 256])
            pixels = torch.from_numpy(some.copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
            things, backdrops, frames = (scores.log_softmax(-1) for scores in self(pixels))
            scenes += [
                _scene(one, int(backdrop), int(frame))
                for one, backdrop, frame in zip(things, backdrops.argmax(1), frames.argmax(1), strict=True)
            ]
        return scenes


def _scene(things: Tensor, backdrop: int, frame: int) -> Scene | None:
    """The likeliest scene: of the three arrangements, the one whose named and empty slots fit best; things [3 97]."""
    named, which = things[:, :_NOTHING].max(1)
    fits = [float(torch.where(torch.tensor(full), named, things[:, _NOTHING]).sum()) for full in _LAYOUTS]
    layout = _LAYOUTS[int(np.argmax(fits))]
    nouns = tuple(_NOUNS[int(k)] for k, full in zip(which, layout, strict=True) if full)
    if len(set(nouns)) < len(nouns):
        return None
    return Scene(BACKDROPS[backdrop], nouns, FRAMES[frame] if frame < len(FRAMES) else None)


def save_trained_reader(model: TrainedReader, folder: Path) -> None:
    """Write the weights as fp16 safetensors."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = {k: v.half() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    save_file(kept, folder / _FILE)


def load_trained_reader(folder: Path | None = None) -> TrainedReader:
    """Load the shipped reader, checked by hash, or one from a folder that `make pretrain` wrote."""
    if folder is None:
        verify_zoo("reader")
        folder = ZOO / "reader"
    model = TrainedReader()
    model.load_state_dict(load_file(folder / _FILE))
    return model.eval()
