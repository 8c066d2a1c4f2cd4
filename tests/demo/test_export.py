"""A conversation as a page and as a record for refinement."""

from __future__ import annotations

import numpy as np
import pytest

from tbcore.data.refine import read_labels
from tbcore.demo.conversation import Conversation
from tbcore.demo.engine import ScriptedEngine
from tbcore.demo.export import LABELS, RECORDS, save_page, to_dialogue, to_refinement
from tbcore.demo.pictures import from_png
from tbcore.demo.transcript import Drawing, Transcript
from tbcore.errors import InputError
from tbcore.records import Dialogue
from tbcore.store import read_jsonl
from tests.demo.attacks import ATTACKS


def card(shade: int) -> np.ndarray:
    return np.full((64, 64, 3), shade, dtype=np.uint8)


def talk() -> Conversation:
    chat = Conversation(ScriptedEngine(["See:", Drawing("a cat", card(2))], "bye"))
    chat.send([card(1), "draw"])
    chat.send("thanks")
    return chat


def test_a_record_names_its_pictures_by_their_content(tmp_path):
    record = to_dialogue(talk().transcript, tmp_path, describe=lambda picture: f"shade {picture[0, 0, 0]}")
    assert record.captions == ("shade 1", "a cat")
    assert [from_png((tmp_path / name).read_bytes())[0, 0, 0] for name in record.pictures] == [1, 2]
    assert record.turns == talk().turns
    again = to_dialogue(talk().transcript, tmp_path)
    assert (again.pictures, again.id) == (record.pictures, record.id)
    assert again.captions[0] == "a picture you showed"


def test_corrected_turns_go_to_the_refinement_queue(tmp_path):
    chat = talk()
    with pytest.raises(InputError, match="no turn was corrected"):
        to_refinement(chat.transcript, tmp_path, rater="me")
    chat.correct(1, ["Here is a dog:", Drawing("a dog", card(3))])
    chat.send("thanks")
    record = to_refinement(chat.transcript, tmp_path, rater="me", quality="Excellent", time="noon")
    assert [Dialogue.from_json(row) for row in read_jsonl(tmp_path / RECORDS)] == [record]
    labels = read_labels(tmp_path / LABELS)
    assert [(one.record, one.quality, one.turn, one.note) for one in labels] == [
        (record.id, "Excellent", 1, "corrected"),
        (record.id, "Excellent", None, "corrected by a person: turns 1"),
    ]
    assert to_refinement(chat.transcript, tmp_path, rater="you") == record  # a second opinion, not a second record
    assert len(list(read_jsonl(tmp_path / RECORDS))) == 1
    assert len(read_labels(tmp_path / LABELS)) == 4
    chat.send("another turn")
    other = to_refinement(chat.transcript, tmp_path, rater="me")
    assert other.id != record.id
    assert len(list(read_jsonl(tmp_path / RECORDS))) == 2


def test_what_is_not_whole_is_not_exported(tmp_path):
    for transcript in (Transcript(), Transcript().adding("user", ["hi"])):
        with pytest.raises(InputError, match="must end with a reply"):
            to_dialogue(transcript, tmp_path)


def test_a_page_holds_words_and_no_commands(tmp_path):
    transcript = Transcript()
    for attack in ATTACKS:
        transcript = transcript.adding("user", [attack, card(1)])
        transcript = transcript.adding("assistant", [attack, Drawing(attack, card(2))])
    save_page(tmp_path / "page.html", transcript, title=ATTACKS[0])
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "default-src 'none'" in page
    for tag in ("script", "svg", "iframe", "object", "embed", "form", "base", "input", "details", "a ", "body on"):
        assert f"<{tag}" not in page.lower()
    assert page.count("<img") == 2 * len(ATTACKS)
    assert page.count("src='data:image/png;base64,iVBOR") == 2 * len(ATTACKS)
