"""Rules beyond form: each finds its planted fault with its offset, and leaves honest talk alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tbcore.candidates import Candidate
from tbcore.course.labels import recorded_candidates
from tbcore.data.examples import load_seed_examples
from tbcore.data.filter import (
    FURTHER_RULES,
    RULES,
    Draft,
    Further,
    Judgement,
    NearDuplicates,
    counterfactual,
    funnel,
    further_rules,
    judge,
    judge_all,
    refilter,
)
from tbcore.data.filter.lexicons import personal_data
from tbcore.dialogue import SHIPPED, Codec, render_turns
from tbcore.errors import InputError

NONCE = Codec("7f3a")
CAPTIONS = ("a brown dog on a lawn beside a red ball and an old tree", "a white boat")
DOG = NONCE.tagged(0, CAPTIONS[0])
BOAT = NONCE.tagged(1, CAPTIONS[1])
GOOD = (
    f"Human: {DOG} What do you think that he wants from me?\n"
    "Assistant: He would like you to throw it for him, and then to do it again.\n"
    f"Human: And now I would like to see something that floats on the sea.\nAssistant: Here it is: {BOAT} Have a look!"
)
EXAMPLES = load_seed_examples().examples


def asked(reply: str, **settings: object) -> Judgement:
    rules = {**RULES, **further_rules(Further(**settings))}  # pyright: ignore[reportArgumentType]
    return judge(Draft(Candidate("c", "g", CAPTIONS, reply, NONCE), near=NearDuplicates()), rules)


def objection(reply: str, **settings: object) -> tuple[str, int | None] | None:
    first = asked(reply, **settings).objection
    return None if first is None else (first.rule, first.offset)


def test_honest_talk_passes_with_everything_on() -> None:
    settings = {"examples": EXAMPLES, "unsafe_words": ("blood",), "personal_data": True}
    judgement = asked(GOOD, **settings)
    assert [verdict.rule for verdict in judgement.verdicts] == [*RULES, *FURTHER_RULES]
    assert judgement.dialogue is not None


def test_safety_and_copying_are_off_unless_they_are_set() -> None:
    assert set(FURTHER_RULES) - set(further_rules()) == {"demo_copy", "unsafe_words", "personal_data"}
    assert "language" not in further_rules(Further(english=0))


@pytest.mark.parametrize(
    "said",
    [
        "The caption says it is a dog.",
        "According to the caption, he is brown.",
        "The image description is short.",
        "He is in img0, I think.",
        "Judging by the caption he wants to play.",
        "The caption doesn't say.",
    ],
)
def test_captions_that_leak_are_found(said: str) -> None:
    reply = GOOD.replace("Have a look!", said)
    rule, offset = objection(reply) or ("", None)
    assert rule == "caption_leak"
    assert offset is not None
    assert offset >= reply.index(said)


def test_a_caption_spoken_word_for_word_is_a_leak_and_a_tag_that_never_closes_makes_one() -> None:
    reply = GOOD.replace("Have a look!", "I see a brown dog on a lawn beside a red ball.")
    assert objection(reply) == ("caption_leak", reply.index("a brown dog", reply.index("I see")))
    assert objection(reply, shared_words=11) is None
    left_open = GOOD.replace(NONCE.closing(0), "")
    assert objection(left_open) == ("caption_leak", left_open.index("a brown dog"))


@pytest.mark.parametrize("said", ["Write a caption for this one, please.", "A witty caption? Ball games!"])
def test_a_caption_that_somebody_wants_written_is_none(said: str) -> None:
    assert objection(GOOD.replace("Have a look!", said)) is None


REFUSALS = [
    "I'm sorry, I can't see the picture.",
    "I cannot view images.",
    "As an AI language model I have no eyes.",
    "As a text-based assistant, I must guess.",
    "I'm unable to display images here.",
    "I am just a language model.",
    "I can only process text.",
    "I don't have the ability to see your photo.",
    "I\u2019m not able to draw pictures.",
]
HONEST = [
    "I can't see the dog's tail from here.",
    "I can't tell how old he is.",
    "I would rather not guess his owner's name.",
    "I can draw that picture for you.",
    "You can't see the moon in this picture.",
    "Sorry, I can't help with that.",
]


@pytest.mark.parametrize(("said", "found"), [*((s, True) for s in REFUSALS), *((s, False) for s in HONEST)])
def test_confessions_are_told_from_honest_limits(said: str, found: bool) -> None:
    reply = GOOD.replace("Have a look!", said)
    assert objection(reply) == (("text_only", reply.index(said) + _at(said)) if found else None)


def _at(said: str) -> int:
    places = [said.find(word) for word in ("I can", "I'm", "I am", "As a", "I don't", "I\u2019m")]
    first = min(place for place in places if place >= 0)
    return said.find("I can't") if said.startswith("I'm sorry") else first


def test_a_teacher_that_echoes_its_examples_is_found() -> None:
    example = EXAMPLES[0]
    echo = Candidate("echo", "g", example.captions, render_turns(example, SHIPPED), SHIPPED)
    rules = {**RULES, **further_rules(Further(examples=EXAMPLES))}
    first = judge(Draft(echo), rules).objection
    assert first is not None
    assert (first.rule, first.detail) == ("demo_copy", f"8 words of example {example.id}")
    assert first.offset is not None
    other = {**RULES, **further_rules(Further(examples=EXAMPLES[1:]))}
    assert judge(Draft(echo), other).objection is None


def test_near_duplicates_name_what_they_resemble() -> None:
    changed = GOOD.replace("Have a look!", "There you are!")
    other = GOOD.replace("What do you think that he wants from me?", "Is he yours?").replace(
        "He would like you to throw it for him, and then to do it again.",
        "No, he belongs to the baker round the corner.",
    )
    made = [Candidate(str(n), "g", CAPTIONS, reply, NONCE) for n, reply in enumerate((GOOD, changed, other))]
    judged = list(judge_all(made, rules={**RULES, **further_rules(Further(resemblance=0.6))}))
    assert [one.objection and one.objection.rule for one in judged] == [None, "near_duplicate", None]
    assert judged[1].objection is not None
    assert judged[1].objection.detail.startswith("resembles 0 (0.")


def test_resemblance_is_the_share_of_common_runs() -> None:
    memory = NearDuplicates()
    words = [f"w{n}" for n in range(202)]
    memory.add("first", memory.signature([" ".join(words)]))
    # 100 of 300 runs of three words are common to both
    half = memory.signature([" ".join([*words[:102], *(f"v{n}" for n in range(100))])])
    same = memory.signature([" ".join(words)])
    assert half is not None
    assert same is not None
    assert memory.nearest(same) == ("first", 1.0)
    found = memory.nearest(half)
    assert found is None or abs(found[1] - 1 / 3) < 0.2
    assert memory.signature(["two words"]) is None
    assert len(memory) == 1


def test_language_and_length() -> None:
    spanish = (
        f"Human: {DOG} ¿Qué quiere este perro de mí ahora?\nAssistant: Quiere que tires la pelota roja otra vez.\n"
        "Human: ¿Otra vez?\nAssistant: Siempre otra vez, hasta la noche."
    )
    assert objection(spanish) == ("language", None)
    assert objection(spanish, english=0.0) != ("language", None)
    turned = GOOD.replace("Have a look!", "狗在草地上 狗在草地上 狗在草地上 狗在草地上")
    assert objection(turned) == ("language", turned.index("狗"))
    short = f"Human: {DOG} Nice?\nAssistant: Very.\nHuman: Good."
    assert objection(short) == ("length", None)
    assert objection(GOOD, most_words=20) == ("length", None)


def test_unsafe_words_are_whole_words_of_any_case() -> None:
    reply = GOOD.replace("Have a look!", "Look, BLOOD and bloodhounds in this picture.")
    assert objection(reply, unsafe_words=("blood",)) == ("unsafe_words", reply.index("BLOOD"))
    assert objection(reply.replace("BLOOD and ", ""), unsafe_words=("blood",)) is None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to ann.b@example.org!", ["a mail address"]),
        ("call +49 30 1234567 now", ["a telephone number"]),
        ("call (555) 123-4567 now", ["a telephone number"]),
        ("4111 1111 1111 1111", ["a card number"]),
        ("4111 1111 1111 1112", []),
        ("DE89 3704 0044 0532 0130 00", ["a bank account"]),
        ("DE88 3704 0044 0532 0130 00", []),
        ("at 192.168.0.1 it is", ["a network address"]),
        ("at 392.168.0.1 or 1.2.3 it is", []),
        ("in 1984 we had 12 dogs, 3 cats and 2026-11-23", []),
    ],
)
def test_personal_data(text: str, kinds: list[str]) -> None:
    assert [kind for kind, _ in personal_data(text)] == kinds


def test_personal_data_is_named_not_repeated() -> None:
    reply = GOOD.replace("Have a look!", "Look, write to ann.b@example.org.")
    first = asked(reply, personal_data=True).objection
    assert first is not None
    assert (first.rule, first.offset) == ("personal_data", reply.index("ann.b"))
    assert "example.org" not in first.detail


def test_talk_that_needs_no_picture() -> None:
    talk = f"Human: {BOAT} What is seven times eight, please?\nAssistant: It is fifty-six.\nHuman: And half of it?"
    assert objection(talk, least_words=3) == ("picture_dependence", None)
    assert objection(talk.replace("half of it", "how many sails has the boat"), least_words=3) is None
    assert objection(talk.replace("half of it", "what is in the picture"), least_words=3) is None


def test_funnel_counterfactual_and_refilter_know_the_further_rules() -> None:
    leak = GOOD.replace("Have a look!", "The caption says so.")
    made = [Candidate(str(n), "g", CAPTIONS, reply, NONCE) for n, reply in enumerate((GOOD, leak))]
    judged = list(judge_all(made, rules={**RULES, **further_rules(Further(resemblance=1.0))}))
    assert [name for name, n in funnel(judged).items() if n] == ["caption_leak", "kept"]
    assert list(funnel(judged))[:11] == list(RULES)
    assert counterfactual(judged)["caption_leak"] == {"objects": 1, "only": 1}
    assert refilter(judged, off={"caption_leak"})[1].dialogue is not None
    assert funnel(judge_all([replace(one, id="x") for one in made])) == {**dict.fromkeys(RULES, 0), "kept": 2}


def test_few_of_the_recorded_conversations_are_objected_to() -> None:
    usual = list(judge_all(recorded_candidates()))
    rules = {**RULES, **further_rules(Further(examples=EXAMPLES))}
    further = list(judge_all(recorded_candidates(), rules=rules))
    kept = sum(one.dialogue is not None for one in usual)
    assert 0.9 * kept <= sum(one.dialogue is not None for one in further) <= kept


@pytest.mark.parametrize("wrong", [{"resemblance": 2.0}, {"english": -0.1}, {"shared_words": 1}, {"least_words": 9999}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="Further: "):
        Further(**wrong)  # pyright: ignore[reportArgumentType]
