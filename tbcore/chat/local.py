"""The small language model in this process, as a teacher: free, offline, and instructive in its failures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tbcore.chat.messages import Message, Params, Reply, Usage
from tbcore.errors import InputError

__all__ = ["LocalTeacher"]


class LocalTeacher:
    """SmolLM2-135M-Instruct, or any causal language model with its tokenizer.

    Args:
        model, tokenizer: of the transformers library; the shipped language model when left out.
        name: what ledger and records call it.
    """

    def __init__(self, model: Any = None, tokenizer: Any = None, *, name: str = "local:SmolLM2-135M-Instruct") -> None:
        if (model is None) != (tokenizer is None):
            raise InputError("LocalTeacher: give both model and tokenizer, or neither for the shipped ones.")
        if model is None:
            from tbcore.weights.smollm import load_language_model

            model, tokenizer = load_language_model()
        self.name = name
        self._model = model
        self._tokenizer = tokenizer

    def complete(self, messages: Sequence[Message], params: Params) -> Reply:
        """Write an answer; temperature 0 is greedy, otherwise `params.seed` and the sample decide."""
        import torch

        said = [{"role": message.role, "content": message.text} for message in messages]
        prompt = self._tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        inputs = self._tokenizer(prompt, return_tensors="pt", add_special_tokens=False).to(self._model.device)
        start = inputs["input_ids"].shape[1]
        how: dict[str, Any] = {"do_sample": False}
        if params.temperature > 0:
            how = {"do_sample": True, "temperature": params.temperature, "top_p": params.top_p, "top_k": 0}
        # generate() draws from the global generator only, so its state is put back afterwards.
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            torch.manual_seed((params.seed or 0) * 1_000_003 + params.sample_index)
            ids = self._model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=params.max_tokens,
                pad_token_id=self._tokenizer.eos_token_id,
                **how,
            )[0, start:]
        text = self._tokenizer.decode(ids, skip_special_tokens=True)
        ended = len(ids) < params.max_tokens or int(ids[-1]) == self._tokenizer.eos_token_id
        finish = ("stop" if text.strip() else "empty") if ended else "length"
        return Reply(text, finish, Usage(start, len(ids)), raw=text)
