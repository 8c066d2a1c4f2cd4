"""The finished dataset: split by group, in the formats others read, with a card that says what it is.

| format | write | read back |
|---|---|---|
| the paper's records | `to_official` | `from_official` |
| LLaVA json | `to_llava` | `from_llava` |
| ShareGPT | `to_sharegpt` | `from_sharegpt` |
| OpenAI messages with images | `to_openai` | `from_openai` |
| parquet | `write_parquet` | `read_parquet` |
| Hugging Face dataset | `write_huggingface` | `datasets.load_from_disk`, then `from_row` |
| webdataset shards | `write_webdataset` | `webdataset.WebDataset`, then `Dialogue.from_json` |

There is no spreadsheet among them: a cell that begins with `=` would be a formula.
"""

from __future__ import annotations

from tbcore.data.export.card import Card, licence_lines
from tbcore.data.export.chats import from_llava, from_openai, from_sharegpt, to_llava, to_openai, to_sharegpt
from tbcore.data.export.official import from_official, split_by_group, to_official
from tbcore.data.export.pictures import data_url, picture_bytes, picture_kind
from tbcore.data.export.tables import (
    from_row,
    read_parquet,
    to_row,
    write_huggingface,
    write_parquet,
    write_webdataset,
)

__all__ = [
    "Card",
    "data_url",
    "from_llava",
    "from_official",
    "from_openai",
    "from_row",
    "from_sharegpt",
    "licence_lines",
    "picture_bytes",
    "picture_kind",
    "read_parquet",
    "split_by_group",
    "to_llava",
    "to_official",
    "to_openai",
    "to_row",
    "to_sharegpt",
    "write_huggingface",
    "write_parquet",
    "write_webdataset",
]
