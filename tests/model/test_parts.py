"""Tower, connector, language model, config, tokens, processor and painter port, each by itself."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from tbcore.errors import CheckpointError, InputError
from tbcore.model.config import MIMConfig, QFormerConfig
from tbcore.model.connectors import PixelShuffleConnector, QFormerConnector, grid_distance
from tbcore.model.language import LanguageModel
from tbcore.model.painter_port import Painter, SolidPainter
from tbcore.model.processor import fit_picture
from tbcore.model.tiny import byte_tokenizer, tiny_model
from tbcore.model.tokens import read_chat_format
from tbcore.model.vision import HashTower, OpenClipTower, VisionTower, build_tower

TOWER = {
    "embed_dim": 8,
    "vision_cfg": {"image_size": 64, "patch_size": 16, "width": 16, "layers": 2, "head_width": 8},
    "text_cfg": {"context_length": 8, "vocab_size": 20, "width": 8, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def tower():
    import open_clip

    return OpenClipTower.from_clip(open_clip.CLIP(**TOWER), config=TOWER, mean=(0.5,) * 3, std=(0.25,) * 3)


def test_open_clip_tower(tower, pictures):
    assert isinstance(tower, VisionTower)
    patches, pooled = tower.patches(pictures), tower.pooled(pictures)
    assert tuple(patches.shape) == (6, 16, 16)
    torch.testing.assert_close(pooled.norm(dim=-1), torch.ones(6))
    direct = tower.visual((torch.from_numpy(pictures).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25)
    torch.testing.assert_close(pooled, torch.nn.functional.normalize(direct, dim=-1))
    again = build_tower(tower.settings)
    again.load_state_dict(tower.state_dict())
    torch.testing.assert_close(again.patches(pictures), patches)


def test_a_tower_stays_frozen_and_asleep(tower):
    tower.train()
    assert not tower.training
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_hash_tower_sees_patches_where_they_are(pictures):
    tower = HashTower(width=8, patch=16)
    changed = pictures.copy()
    changed[:, :16, 16:32] += 9
    apart = (tower.patches(pictures) != tower.patches(changed)).any(dim=-1)
    assert apart.nonzero()[:, 1].unique().tolist() == [1]


@pytest.mark.parametrize("wrong", [np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 64, 64, 3), np.float32)])
def test_a_tower_refuses_other_pictures(wrong):
    with pytest.raises(InputError, match=r"pictures must be uint8\[i 64 64 3\]"):
        HashTower().patches(wrong)


def test_unknown_tower():
    with pytest.raises(ValueError, match="kind must be 'open_clip', 'transformers' or 'hash'; got 'x'"):
        build_tower({"kind": "x"})


def test_queries_start_over_the_grid():
    distance = grid_distance(4, 16)
    nearest = distance.argsort(dim=1)[:, :4].sort(dim=1).values.tolist()
    assert nearest == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_connector_speaks_as_loudly_as_words():
    config = QFormerConfig(n_queries=16, width=64, n_heads=4)
    connector = QFormerConnector(config, patch_width=24, n_patches=64, text_width=96, text_norm=3.2)
    out = connector(torch.randn(5, 64, 24, generator=torch.Generator().manual_seed(0)))
    assert tuple(out.shape) == (5, 16, 96)
    assert 2.4 < out.norm(dim=-1).mean().item() < 4.0
    with pytest.raises(ValueError, match="patches must have width 24; got 7"):
        connector(torch.zeros(1, 64, 7))


def test_pixel_shuffle_folds_neighbours():
    connector = PixelShuffleConnector(patch_width=2, n_patches=16, n_queries=4, text_width=8)
    patches = torch.randn(1, 16, 2)
    changed = patches.clone()
    changed[:, 5] += 1  # row 1, column 1: the upper left fold
    apart = (connector(patches) != connector(changed)).any(dim=-1)[0]
    assert apart.tolist() == [True, False, False, False]
    with pytest.raises(ValueError, match="must divide into"):
        PixelShuffleConnector(patch_width=2, n_patches=16, n_queries=9, text_width=8)


def test_control_rows_stand_beside_the_table(tiny):
    model, _ = tiny
    language = model.language
    ids = torch.tensor([[5, language.start_id, 7]])
    words = language.embed(ids)
    torch.testing.assert_close(words[0, 1], language.control[1])
    torch.testing.assert_close(words[0, 2], language.inner.get_input_embeddings().weight[7])
    logits = language.logits(words[0])
    torch.testing.assert_close(logits[:, -2], words[0] @ language.control[1])
    fresh = LanguageModel(language.inner)
    mean = language.inner.get_input_embeddings().weight.mean(dim=0)
    torch.testing.assert_close(fresh.control[2], mean)


def test_slices_are_checked(tiny):
    model, _ = tiny
    with pytest.raises(ValueError, match=r"ids must lie in 0\.\.258"):
        model.language.slice_head([5, 300])


def test_adapters_start_silent(story, pictures):
    from tbcore.model.batch import collate

    model, processor = tiny_model()
    batch = collate([processor.example(story)], [model.vision.patches(pictures[:4])])
    before = model(**batch).logits
    assert model.add_lora(rank=2, alpha=4) == 2 * 2 * (2 * 32 + 32 + 16)
    torch.testing.assert_close(model(**batch).logits, before)
    with pytest.raises(ValueError, match="has adapters already"):
        model.add_lora()


def test_configs_are_checked_and_saved(tmp_path):
    with pytest.raises(ValueError, match="width must be a multiple of n_heads; got width=10, n_heads=3"):
        QFormerConfig(width=10, n_heads=3)
    with pytest.raises(ValueError, match="history must be one of"):
        MIMConfig(history="x")
    model, _ = tiny_model()
    model.config.save_pretrained(tmp_path)
    again = MIMConfig.from_pretrained(tmp_path)
    assert (again.n_queries, again.vocab_size, again.vision["kind"]) == (4, 259, "hash")


def test_a_chat_template_is_needed():
    tokenizer = byte_tokenizer()
    found = read_chat_format(tokenizer)
    assert (found.before[0], found.stop, found.to_user[0]) == (1, 2, 2)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    with pytest.raises(CheckpointError, match="must show four turns as they are"):
        read_chat_format(tokenizer)
    tokenizer.chat_template = None
    with pytest.raises(CheckpointError, match="has no chat template"):
        read_chat_format(tokenizer)


def test_pictures_are_fitted_and_padded_white():
    wide = np.zeros((10, 40, 3), np.uint8)
    fitted = fit_picture(wide, size=64)
    assert fitted.shape == (64, 64, 3)
    assert (fitted[0] == 255).all()
    clear = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    assert (fit_picture(clear, size=64) == 255).all()


def test_bad_pictures_are_named(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG no picture")
    with pytest.raises(InputError, match=r"broken\.png: cannot be read as a picture"):
        fit_picture(broken, size=64)
    body = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + body
    huge = tmp_path / "huge.png"
    huge.write_bytes(
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + bytes(12)
    )
    with pytest.raises(InputError, match=r"huge\.png: (60000 x 60000 pixels|cannot be read)"):
        fit_picture(huge, size=64)


def test_solid_painter_is_a_painter():
    painter = SolidPainter()
    assert isinstance(painter, Painter)
    one, two, again = painter.paint(["a", "b", "a"], [0, 0, 0])
    assert (one == again).all()
    assert (one != two).any()
    assert painter.asked == [("a", 0), ("b", 0), ("a", 0)]
