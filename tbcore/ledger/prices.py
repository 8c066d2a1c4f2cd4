"""Prices: read from a dated table that the user keeps, and a quote made from a pilot.

A table is a TOML file:

    date = 2026-01-31
    currency = "EUR"
    source = "the provider's price page"

    [models."some-model"]
    read = 2.5          # for one million tokens
    written = 10.0
    batch_share = 0.5   # what a batch costs of that; 1.0 when left out
"""

from __future__ import annotations

import datetime
import math
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbcore.errors import InputError, MissingFileError
from tbcore.ledger.budget import Budget, Spent
from tbcore.seeds import stream

__all__ = ["Price", "PriceTable", "Quote", "quote", "read_prices"]

_RESAMPLES = 4000


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """Money for one million tokens read and written; a batch costs `batch_share` of it."""

    read: float
    written: float
    batch_share: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceTable:
    """Prices of one day, and where they were read."""

    date: datetime.date
    currency: str
    source: str
    models: dict[str, Price]

    def budget(
        self, model: str, *, money: float, calls: int | None = None, tokens: int | None = None, batch: bool = False
    ) -> Budget:
        """Caps for this model, at the table's prices.

        Raises:
            InputError: the table does not know the model.
        """
        if model not in self.models:
            raise InputError(f"prices of {self.date}: no model {model!r}; known are {sorted(self.models)}. Add it.")
        price = self.models[model]
        share = price.batch_share if batch else 1.0
        return Budget(
            calls=calls, tokens=tokens, money=money, price_in=price.read * share, price_out=price.written * share
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """What a run will cost: expected, and the range that holds it with 95 % probability.

    Args:
        low, expected, high: in the currency of the prices; expected is the median.
        calls_low, calls, calls_high: how many calls that means.
        pilot: calls the quote was made from.
    """

    low: float
    expected: float
    high: float
    calls_low: int
    calls: int
    calls_high: int
    pilot: int


def read_prices(path: Path | str, *, today: datetime.date | None = None, oldest_days: int | None = None) -> PriceTable:
    """Read a price table.

    Args:
        path: the TOML file drawn in this module's docstring.
        today: the day to compare with; the computer's date when None.
        oldest_days: refuse an older table; any age will do when None.

    Raises:
        MissingFileError: there is no such file.
        InputError: it is not such a table, or too old.
    """
    place = Path(path)
    if not place.is_file():
        raise MissingFileError(f"{place}: there is no such file. Write down your provider's prices, with the date.")
    try:
        raw = tomllib.loads(place.read_text("utf-8"))
        table = PriceTable(
            date=_date(raw["date"]),
            currency=str(raw["currency"]),
            source=str(raw["source"]),
            models={name: _price(row) for name, row in raw["models"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{place}: not a price table ({type(error).__name__}: {error}). It needs date, currency, source, and for "
            "each model read and written, per million tokens."
        ) from error
    age = ((today or datetime.date.today()) - table.date).days
    if oldest_days is not None and age > oldest_days:
        raise InputError(f"{place}: the prices are {age} days old, more than {oldest_days}. Look them up again.")
    return table


def quote(pilot: Sequence[Spent], accepted: Sequence[bool], budget: Budget, *, n_accepted: int, seed: int = 0) -> Quote:
    """The cost of `n_accepted` conversations, from what a pilot of some twenty calls used.

    Cost per call: the pilot's mean with Student's t for its uncertainty. Acceptance: a Beta distribution with
    Jeffreys' prior, so that twenty of twenty accepted is not read as certainty. The run's own luck, how many
    calls it takes to get that many acceptances, is drawn from the negative binomial distribution.

    Args:
        pilot: tokens of each call.
        accepted: whether its conversation passed, one per call.
        budget: holds the prices.
        n_accepted: how many conversations are wanted.
        seed: of the draws.

    Raises:
        InputError: fewer than two calls, lists of different length, or nothing was accepted.
    """
    n = len(pilot)
    if n < 2 or n != len(accepted) or not any(accepted) or n_accepted < 1:
        raise InputError(
            f"quote: at least 2 calls, one verdict for each, and one acceptance are needed; got {n} calls, "
            f"{len(accepted)} verdicts, {sum(accepted)} accepted. Make the pilot larger, or mend the prompt first."
        )
    costs = [budget.cost(one) for one in pilot]
    mean = math.fsum(costs) / n
    spread = math.sqrt(math.fsum((cost - mean) ** 2 for cost in costs) / (n - 1) / n)
    rng = stream(seed, "quote")
    rate = rng.beta(sum(accepted) + 0.5, n - sum(accepted) + 0.5, _RESAMPLES)
    calls = n_accepted + rng.negative_binomial(n_accepted, rate.clip(1e-6))
    each = (mean + spread * rng.standard_t(n - 1, _RESAMPLES)).clip(min(costs))
    ordered, counts = sorted((calls * each).tolist()), sorted(calls.tolist())
    cut = [int(_RESAMPLES * share) for share in (0.025, 0.5, 0.975)]
    low, expected, high = (ordered[at] for at in cut)
    fewest, likely, most = (counts[at] for at in cut)
    return Quote(low=low, expected=expected, high=high, calls_low=fewest, calls=likely, calls_high=most, pilot=n)


def _date(value: Any) -> datetime.date:
    return value if isinstance(value, datetime.date) else datetime.date.fromisoformat(value)


def _price(row: dict[str, Any]) -> Price:
    price = Price(
        read=float(row["read"]), written=float(row["written"]), batch_share=float(row.get("batch_share", 1.0))
    )
    if not all(math.isfinite(one) and one >= 0 for one in (price.read, price.written, price.batch_share)):
        raise ValueError(f"prices must be finite and not negative; got {price}")
    return price
