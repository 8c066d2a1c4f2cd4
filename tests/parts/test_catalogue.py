"""The catalogue of parts, parts files, and every way they can be wrong."""

from __future__ import annotations

import json
import struct

import pytest

from tbcore.errors import InputError, MissingFileError
from tbcore.parts.catalogue import DTYPE_BYTES, PORTS, gpus, named_parts, read_parts, sets
from tbcore.parts.files import safetensors_size


def weights(path, dtype="BF16", shape=(4, 3)):
    """A file with a header and no numbers: sizes are read from headers alone."""
    header = json.dumps({"__metadata__": {"format": "pt"}, "a": {"dtype": dtype, "shape": shape}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header)


def language(folder):
    folder.mkdir()
    weights(folder / "model.safetensors")
    config = {"hidden_size": 8, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    (folder / "config.json").write_text(json.dumps(config | {"num_key_value_heads": 2, "vocab_size": 50}))
    return folder


def test_sets_are_whole_and_grow():
    found = sets()
    assert list(found) == ["gpu-small", "gpu", "gpu-large"]
    sizes = [sum(part.parameters for part in one.all()) for one in found.values()]
    assert sizes == sorted(sizes)
    for one in found.values():
        assert [part.port for part in one.all()] == [port for port in PORTS if getattr(one, port)]
        assert all(part.licence and part.parameters > 1e7 for part in one.all())
        assert not any(part.here for part in one.all())
    assert found["gpu-large"].language.gated
    assert gpus()["A100"].memory_gb == 80


def test_a_download_is_numbers_times_bytes():
    parts = named_parts("gpu")
    assert parts.language.download_bytes == 1_711_376_384 * DTYPE_BYTES["bfloat16"]
    assert parts.tower.download_bytes == 427_616_513 * DTYPE_BYTES["float32"]  # both sides of CLIP are in the file


def test_a_parts_file_names_what_differs(tmp_path):
    language(tmp_path / "mine")
    path = tmp_path / "parts.toml"
    path.write_text('base = "gpu"\nlanguage = "mine"\npainter = "sdxl"\npainter_settings = { steps = 3 }\n')
    parts = read_parts(path)
    assert (parts.name, parts.tower, parts.painter.key) == ("parts", named_parts("gpu").tower, "sdxl")
    one = parts.language
    assert (one.parameters, one.file_dtype, one.kv_width, one.here, one.download_bytes) == (12, "bfloat16", 4, True, 0)
    assert (one.name, parts.painter_settings) == (str(tmp_path / "mine"), {"steps": 3})


def test_an_unknown_part_is_described_in_the_file(tmp_path):
    path = tmp_path / "parts.toml"
    described = 'port = "language"\nname = "a/b"\nlicence = "MIT"\nparameters = 9\nfile_dtype = "float32"\n'
    path.write_text(f'base = "gpu"\nlanguage = "mine"\n[part.mine]\n{described}')
    assert read_parts(path).language.download_bytes == 36
    path.write_text(f'base = "gpu"\ntower = "mine"\n[part.mine]\n{described}')
    with pytest.raises(InputError, match="tower 'mine': is described as a 'language'"):
        read_parts(path)


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("language = ", InputError, "is no TOML"),
        ('base = "huge"', InputError, "base 'huge' is no set. Use one of gpu-small, gpu, gpu-large"),
        ('tower = "clip-l"', InputError, "language, painter must be named"),
        ('base = "gpu"\nlanguge = "x"', InputError, "unknown 'languge'"),
        ('base = "gpu"\nlanguage = "nowhere"', MissingFileError, "neither a folder nor a part of the catalogue"),
        ('base = "gpu"\ncolumns = 0', InputError, "columns must be a positive whole number; got 0"),
        ('base = "gpu"\nlanguage = "m"\n[part.m]\nport = "language"', InputError, "catalogue.toml shows what a part"),
        ('base = "gpu"\nlanguage = "m"\n[part.m]\ncolour = 1', InputError, "unknown colour"),
    ],
)
def test_a_wrong_parts_file_says_what_is_wrong(tmp_path, text, error, match):
    path = tmp_path / "parts.toml"
    path.write_text(text)
    with pytest.raises(error, match=match):
        read_parts(path)


def test_a_key_that_is_a_folder_too_is_refused(tmp_path):
    (tmp_path / "sdxl").mkdir()
    (tmp_path / "parts.toml").write_text('base = "gpu"\npainter = "sdxl"')
    with pytest.raises(InputError, match=r"a part of the catalogue and a folder too\. Write '\./sdxl' for that"):
        read_parts(tmp_path / "parts.toml")


def test_missing_files_are_named(tmp_path):
    with pytest.raises(MissingFileError, match="there is no parts file here"):
        read_parts(tmp_path / "none.toml")
    with pytest.raises(InputError, match=r"no set is called 'x'\. Use one of gpu-small"):
        named_parts("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "parts.toml").write_text('base = "gpu"\nlanguage = "empty"')
    with pytest.raises(MissingFileError, match=r"no \*\.safetensors lie here"):
        read_parts(tmp_path / "parts.toml")
    weights(tmp_path / "empty" / "model.safetensors")
    with pytest.raises(MissingFileError, match=r"neither config\.json nor"):
        read_parts(tmp_path / "parts.toml")
    (tmp_path / "empty" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="is not that of a causal language model"):
        read_parts(tmp_path / "parts.toml")


@pytest.mark.parametrize(
    "content", [b"", b"\xff" * 20, struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b'{"a": 1}']
)
def test_what_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="is no safetensors file"):
        safetensors_size(tmp_path / "x")
