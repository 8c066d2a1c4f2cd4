"""What ships as recorded fits together: groups, prompts, replies and labels."""

from __future__ import annotations

import pytest

from tbcore.chat.messages import ordered_caption_hash
from tbcore.course.labels import LABELLED_ON, RATERS, recorded_candidates, shipped_labels
from tbcore.course.recorded_card import CARD, card_numbers, card_table
from tbcore.course.recordings import (
    LABELS_FILE,
    groups_for,
    live_requests,
    load_groups,
    load_recordings,
    pictures_of,
    prompt_parts,
    requests_for,
    with_pictures,
)
from tbcore.course.standing import with_table
from tbcore.data.filter import funnel, judge_all
from tbcore.data.prompt import CANARY, SECTIONS
from tbcore.data.refine import latest, read_labels
from tbcore.dialogue import Codec
from tbcore.errors import InputError
from tbcore.records import Dialogue, PictureGroup

RECORDINGS = load_recordings()


def test_every_group_has_a_recording_of_its_own_captions_and_every_recording_a_group():
    groups = load_groups()
    full = {one.group for one in RECORDINGS if one.sample == 0 and one.prompt == "prompt-1"}
    assert full == set(groups)
    assert len(RECORDINGS) >= 80
    for one in RECORDINGS:
        assert one.captions == ordered_caption_hash(groups[one.group].captions)


def test_every_recording_becomes_one_request_with_the_prompt_it_names():
    requests = [*requests_for(groups_for("postcards"), RECORDINGS), *requests_for(groups_for("photos"), RECORDINGS)]
    assert len(requests) == len(RECORDINGS)
    by_place = {(one.group, one.sample): one for one in RECORDINGS}
    for request in requests:
        one = by_place[request.group.id, request.sample]
        sections, with_examples = prompt_parts(one.prompt)
        assert request.codec.version == one.codec
        assert len(request.messages) == (8 if with_examples else 2)
        assert ("Human speaks first" in request.messages[0].text) == ("form" in {part.name for part in sections})
        assert all(caption in request.messages[-1].text for caption in request.group.captions)


def test_a_group_with_other_captions_gets_no_request():
    first = groups_for("postcards")[0]
    changed = PictureGroup.from_json({**first.to_json(), "captions": [*first.captions[1:], "a hat"]})
    assert requests_for([changed], RECORDINGS) == []


def test_pairs_without_recordings_are_refused_with_a_remedy():
    with pytest.raises(InputError, match=r"pairs '/home/me/pictures': no conversations were recorded.*teacher='api'"):
        groups_for("/home/me/pictures")


@pytest.mark.parametrize("prompt", ["prompt-0", "prompt-1 without verse", "prompt-1 about cats"])
def test_an_unknown_prompt_name_is_refused(prompt):
    with pytest.raises(InputError, match="Mend the field"):
        prompt_parts(prompt)


def test_prompt_names_say_what_was_left_out():
    assert prompt_parts("prompt-1") == (SECTIONS, True)
    kept, with_examples = prompt_parts("prompt-1 without form, style; no examples")
    assert [part.name for part in kept] == [s.name for s in SECTIONS if s.name not in ("form", "style")]
    assert not with_examples


def test_live_requests_carry_a_nonce_of_the_run_and_stop_at_the_cap():
    requests = live_requests(groups_for("photos"), seed=5, most=3)
    assert [request.group.id for request in requests] == ["photos-01", "photos-02", "photos-03"]
    assert {request.codec for request in requests} == {Codec.from_seed(5)}


def test_pictures_are_drawn_or_found_and_attached(tmp_path):
    group = groups_for("postcards")[0]
    pictures = pictures_of(group)
    assert [picture.shape for picture in pictures] == [(64, 64, 3)] * len(group.captions)
    dialogue = with_pictures(Dialogue("d", (), group.captions), group, tmp_path)
    assert dialogue.pictures == tuple(f"pictures/{group.id}-{n}.png" for n in range(len(group.captions)))
    assert all((tmp_path / name).is_file() for name in dialogue.pictures)
    assert pictures_of(groups_for("photos")[0], size=64)[0].shape == (64, 64, 3)
    with pytest.raises(InputError, match="lie nowhere known"):
        pictures_of(PictureGroup("g", "v", "t", ("a",), files=("x.png",)))


def test_the_filter_keeps_what_it_kept_when_the_bands_were_written():
    counts = funnel(judge_all(recorded_candidates(), canary=CANARY))
    rejected = {rule: count for rule, count in counts.items() if count and rule != "kept"}
    assert (counts["kept"], rejected) == (
        290,
        {"repeat_image": 1, "no_image": 3, "invalid_turns": 8, "empty_turn": 1, "changed_caption": 1},
    )


def test_shipped_labels_are_what_the_simulated_raters_say():
    labels = read_labels(LABELS_FILE)
    assert labels == shipped_labels()
    assert {label.time for label in labels} == {LABELLED_ON}
    assert all(label.rater.startswith("simulated") for label in labels)
    assert len(latest(labels)) == len(RATERS) * len(RECORDINGS)


def test_the_card_says_what_the_conversations_are_like():
    text = CARD.read_text("utf-8")
    assert with_table(text, card_table()) == text


def test_the_conversations_are_many_and_various():
    numbers = card_numbers()
    assert len(RECORDINGS) >= 300
    assert float(numbers["commonest opening of 3 words"].rstrip("%")) <= 5
    assert int(numbers["most conversations that share 8 words in a row"]) <= 3
    assert int(numbers["with a picture by Assistant, by Human"].split("%")[0]) >= 40
