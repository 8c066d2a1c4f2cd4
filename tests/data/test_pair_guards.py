"""What stands before a reader: looks at captions, and a process of its own for the first decoding."""

from __future__ import annotations

import io
import os
import signal
from pathlib import Path

import pytest
from PIL import Image

from tbcore.data.pairs import LimitedDecoder, caption_flags
from tests.data.test_pair_readers import png


@pytest.mark.parametrize(
    ("caption", "flags"),
    [
        ("a brown dog on a lawn", ()),
        ("aaaaaaaaaaaaaaaaaaaa", ("low_entropy",)),
        ("call +49 (0)30 1234 567", ("has_long_number",)),
        ("see www.shop.example", ("has_address",)),
        ("+++ --- *** ///", ("few_letters",)),
        ("कुत्ता घास पर", ()),
        ("一只棕色的狗在草地上", ()),
    ],
)
def test_caption_flags(caption: str, flags: tuple[str, ...]) -> None:
    assert set(flags) <= set(caption_flags(caption))
    if not flags:
        assert caption_flags(caption) == ()


def test_a_limited_process_decodes_first(tmp_path: Path) -> None:
    big = io.BytesIO()
    Image.new("L", (6000, 6000)).save(big, format="PNG")
    with LimitedDecoder(memory=1 << 30) as guard:
        assert guard.problem(png(0)) is None
        assert guard.problem(b"-----BEGIN PRIVATE KEY-----") == (
            "not_a_picture",
            "the file does not begin like a PNG, JPEG, GIF, BMP or WebP picture",
        )
        assert guard.problem(png(1)[:-30]) is not None
        assert guard.problem(png(1)) is None


def test_a_decoder_that_takes_too_long_is_ended_and_replaced() -> None:
    with LimitedDecoder(seconds=0.05) as guard:
        stuck = guard._start()
        os.kill(stuck.pid, signal.SIGSTOP)
        found = guard.problem(png(0))
        assert found is not None
        assert found[0] == "decoder_died"
        assert stuck.returncode == -signal.SIGKILL
