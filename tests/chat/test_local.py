"""The local teacher: what it hands to a transformers model, and how it reads the result."""

from __future__ import annotations

from typing import Any

import pytest

from tbcore.chat.local import LocalTeacher
from tbcore.chat.messages import Message, Params
from tbcore.errors import InputError


class Tokenizer:
    """Every character is a token; 0 ends the text."""

    eos_token_id = 0

    def apply_chat_template(self, said: list[dict[str, str]], *, tokenize: bool, add_generation_prompt: bool) -> str:
        assert not tokenize
        assert add_generation_prompt
        return "".join(f"{one['role'][0]}:{one['content']}|" for one in said)

    def __call__(self, text: str, *, return_tensors: str, add_special_tokens: bool) -> Any:
        import torch
        from transformers import BatchEncoding

        assert not add_special_tokens
        ids = torch.tensor([[ord(c) for c in text]])
        return BatchEncoding({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, tensor_type=return_tensors)

    def decode(self, ids: Any, *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return "".join(chr(i) for i in ids.tolist() if i)


class Model:
    """Answers with a fixed text, or with a random letter when it may sample."""

    device = "cpu"

    def __init__(self, answer: list[int]) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    def generate(self, *, input_ids: Any, **how: Any) -> Any:
        import torch

        self.asked.append(how)
        answer = self.answer or [int(torch.randint(97, 123, ())) for _ in range(8)]
        return torch.cat([input_ids, torch.tensor([answer[: how["max_new_tokens"]]])], dim=1)


def test_greedy_answers_and_how_they_end() -> None:
    teacher = LocalTeacher(Model([*map(ord, "hi"), 0]), Tokenizer())
    reply = teacher.complete([Message.of("user", "a")], Params(temperature=0, max_tokens=9))
    assert (reply.text, reply.finish_reason) == ("hi", "stop")
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (4, 3)
    assert teacher._model.asked[0]["do_sample"] is False
    assert teacher.complete([Message.of("user", "a")], Params(temperature=0, max_tokens=2)).finish_reason == "length"
    assert LocalTeacher(Model([0]), Tokenizer()).complete([], Params(temperature=0)).finish_reason == "empty"


def test_samples_are_seeded_and_leave_the_global_generator_alone() -> None:
    import torch

    teacher = LocalTeacher(Model([]), Tokenizer())
    before = torch.random.get_rng_state()
    ask = [Message.of("user", "a")]
    draws = [Params(seed=1), Params(seed=1), Params(seed=1, sample_index=1), Params(seed=2)]
    texts = [teacher.complete(ask, params).text for params in draws]
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3
    assert torch.equal(before, torch.random.get_rng_state())


def test_half_a_model_is_refused() -> None:
    with pytest.raises(InputError, match="both model and tokenizer, or neither"):
        LocalTeacher(Model([]))
