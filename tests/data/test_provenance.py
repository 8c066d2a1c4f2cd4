"""explain() tells everything the stages left behind, and says what is unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tbcore.candidates import Candidate
from tbcore.chat.messages import Params, Reply, Usage
from tbcore.chat.scripted import ScriptedTeacher
from tbcore.data.examples import load_seed_examples
from tbcore.data.filter import judge_all
from tbcore.data.generate import Request, generate
from tbcore.data.pairs import load_picture
from tbcore.data.prompt import build_prompt, prompt_hash, subject_of
from tbcore.data.provenance import Sources, explain, picture_hash
from tbcore.data.refine import Label
from tbcore.dialogue import Codec
from tbcore.errors import InputError
from tbcore.ledger.journal import Journal
from tbcore.records import PictureGroup
from tbcore.store import pixel_hash

NONCE = Codec("7f3a")
GROUP = PictureGroup("g0", "groups-1", "dogs", ("a dog", "a ball"), files=("dog.png", "ball.png"))
REPLY = (
    "Human: <img0-7f3a>a dog</img0-7f3a> Is he old?\nAssistant: No.\n"
    "Human: Show me his \u202eball.\nAssistant: \x1b[31mNo"
)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "dog.png")
    Image.fromarray(pixels).save(tmp_path / "ball.png", compress_level=1)
    examples = load_seed_examples()
    messages = tuple(build_prompt(GROUP, examples.examples[:2], NONCE))
    origin = {
        "examples": examples.version,
        "example_ids": [one.id for one in examples.examples[:2]],
        "prompt_hash": prompt_hash(messages),
        "draw": 0,
    }
    request = Request(GROUP, messages, NONCE, subject_of(GROUP, NONCE), origin=origin)
    teacher = ScriptedTeacher(Reply(REPLY, usage=Usage(700, 40)))
    with Journal(tmp_path / "ledger.sqlite") as journal:
        made = [one for one in generate([request], teacher, journal, Params()) if isinstance(one, Candidate)]
        tries = {str(made[0].origin["call"]): journal.attempts(str(made[0].origin["call"]))}
    votes = [Label("g0/0", "ann", "Excellent").to_json(), Label("other", "ann", "Excellent").to_json()]
    return Sources(
        candidates={one.id: one for one in made},
        verdicts={one.candidate.id: one.verdicts for one in judge_all(made)},
        votes=votes,
        clusters={"dog.png": {"topic": 3, "neighbours": ["cat.png"]}, "g0": "dogs"},
        attempts=lambda key: tries.get(key, []),
        root=tmp_path,
    )


def test_an_explanation_is_whole(sources: Sources) -> None:
    found = explain("g0/0", sources)
    assert found.kept is True
    assert [one.caption for one in found.pictures] == ["a dog", "a ball"]
    dog, ball = found.pictures
    assert dog.pixels_sha256 == ball.pixels_sha256
    assert dog.file_sha256 != ball.file_sha256
    assert (dog.cluster, ball.cluster) == ({"topic": 3, "neighbours": ["cat.png"]}, "dogs")
    assert found.example_set == load_seed_examples().version
    assert len(found.examples) == 2
    assert found.prompt_sha256 == sources.candidates["g0/0"].origin["prompt_hash"]
    assert found.reply == REPLY
    assert [verdict.rule for verdict in found.verdicts][:2] == ["repeat_image", "unseen_image"]
    assert [vote["rater"] for vote in found.votes] == ["ann"]
    assert (found.cost["attempts"], found.cost["tokens_read"], found.cost["tokens_written"]) == (1, 700, 40)
    assert json.loads(json.dumps(found.to_json()))["kept"] is True


def test_its_text_names_each_fact_and_obeys_no_control_character(sources: Sources) -> None:
    text = explain("g0/0", sources).text()
    for fact in ("record g0/0: kept", "rule too_short: passed", "vote of ann: Excellent", "tokens_read 700", "draw: 0"):
        assert fact in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_what_is_unknown_is_said(sources: Sources) -> None:
    bare = replace(sources.candidates["g0/0"], origin={}, pictures=())
    found = explain("g0/0", Sources(candidates={"g0/0": bare}))
    assert found.kept is None
    assert found.cost == {}
    assert "cost unknown" in found.text()
    assert "examples unknown of set unknown" in found.text()
    with pytest.raises(InputError, match="no candidate 'g9' among 1"):
        explain("g9", sources)


def test_pixels_are_hashed_not_files(tmp_path: Path) -> None:
    Image.new("RGB", (2, 3), "red").save(tmp_path / "a.png")
    Image.new("RGB", (3, 2), "red").save(tmp_path / "b.png")
    assert picture_hash(tmp_path / "a.png") != picture_hash(tmp_path / "b.png")
    turned = Image.effect_noise((40, 30), 80).convert("RGB")
    exif = turned.getexif()
    exif[0x0112] = 6  # lies on its side
    turned.save(tmp_path / "d.png", exif=exif)
    assert picture_hash(tmp_path / "d.png") == pixel_hash(load_picture(tmp_path / "d.png"))
    (tmp_path / "c.png").write_text("no picture")
    with pytest.raises(InputError, match="cannot be read as a picture"):
        picture_hash(tmp_path / "c.png")
