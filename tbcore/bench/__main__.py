"""Run PostcardBench from the command line.

python -m tbcore.bench items                                    write the frozen conversations again
python -m tbcore.bench audit                                    what leaked, what can be guessed
python -m tbcore.bench run --suite lite --out runs/bench        reference rows only
python -m tbcore.bench run --model FOLDER --suite lite|full --out runs/bench
python -m tbcore.bench run --model FOLDER --query-head FOLDER --out runs/bench     and the row that draws without words
python -m tbcore.bench run --endpoint URL --endpoint-model NAME --out runs/bench
python -m tbcore.bench table runs/bench/results.json [more]     the printed table again; of several: over seeds
python -m tbcore.bench seeds runs/seed0 runs/seed1 runs/seed2   mean and spread of every number of the run folders
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tbcore.bench.compose import write_items
from tbcore.bench.contestants import Contestant
from tbcore.bench.controls import BestGuess, ExactPainter, Paints
from tbcore.bench.items import ITEMS_FILE, SUITES, load_items
from tbcore.bench.paraphrase import write_paraphrases
from tbcore.bench.report import read_results, seeds_table, table, write_results
from tbcore.bench.runner import BATCH
from tbcore.bench.seeds import write_seeds
from tbcore.bench.suite import (
    Make,
    already_known,
    beside,
    evaluate,
    faults,
    model_rows,
    paraphrased,
    reference_rows,
)
from tbcore.errors import InputError, TbcoreError
from tbcore.store import write_text

__all__ = ["main"]


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tbcore.bench", description="PostcardBench")
    commands = parser.add_subparsers(dest="command", required=True)
    items = commands.add_parser("items", help="write the frozen conversations again")
    items.add_argument("--out", type=Path, default=ITEMS_FILE)
    commands.add_parser("audit", help="what leaked, what can be guessed")
    runs = commands.add_parser("run", help="ask contestants and measure them")
    runs.add_argument("--suite", choices=SUITES, default="lite")
    runs.add_argument("--out", type=Path, required=True, help="folder for replies, results.json and results.md")
    runs.add_argument("--model", type=Path, help="checkpoint folder of a trained model")
    runs.add_argument(
        "--query-head", type=Path, help="folder of a trained query head: one more row, drawn without words"
    )
    runs.add_argument("--endpoint", default="", help="base URL of a chat endpoint that sees pictures")
    runs.add_argument("--endpoint-model", default="", help="its name for the model")
    runs.add_argument("--limit", type=int, help="only so many conversations")
    runs.add_argument("--batch", type=int, default=BATCH, help="conversations asked at once")
    runs.add_argument("--painter-steps", type=int, default=16, help="0: draw exactly instead")
    runs.add_argument("--no-controls", action="store_true", help="the model alone, without its blind row and others")
    runs.add_argument("--faults", action="store_true", help="fault attribution also in the small suite")
    tables = commands.add_parser("table", help="print the table of results.json; of several files: over seeds")
    tables.add_argument("results", type=Path, nargs="+")
    tables.add_argument("--row", default="MIM", help="the row to compare over several files")
    seeds = commands.add_parser("seeds", help="mean and spread over several run folders, one for each training seed")
    seeds.add_argument("runs", type=Path, nargs="+", help="folders with results.json, or such files")
    seeds.add_argument("--out", type=Path, help="folder for seeds.json and seeds.md")
    return parser


def _maker(options: argparse.Namespace) -> Make | None:
    if options.model is not None:
        from tbcore.bench.mim import MIMContestant
        from tbcore.train.build import load_model

        model, processor = load_model(options.model)
        return MIMContestant(model, processor, ExactPainter()).drawing_with
    if options.endpoint or options.endpoint_model:
        from tbcore.bench.chat import ChatContestant
        from tbcore.chat.endpoint import OpenAICompatible

        client = OpenAICompatible(options.endpoint_model, base_url=options.endpoint)
        return lambda draws: ChatContestant(client, draws)
    return None


def _query_row(options: argparse.Namespace, make: Make | None, painter: Paints | None) -> list[Contestant]:
    """The same model with a query head in place of captions, where one is given."""
    if options.query_head is None:
        return []
    if options.model is None or make is None or painter is None:
        raise InputError(
            "--query-head: needs --model, and a painter that can be told in vectors (--painter-steps above 0)"
        )
    from tbcore.bench.mim import MIMContestant
    from tbcore.model.query_head import load_query_head

    model = make(painter)
    assert isinstance(model, MIMContestant)
    return [model.drawing_with(painter, "query head", head=load_query_head(options.query_head))]


def _run(options: argparse.Namespace) -> None:
    items = load_items(options.suite)[: options.limit]
    painter: Paints | None = None
    if options.painter_steps:
        from tbcore.bench.mim import shipped_painter

        painter = shipped_painter(options.painter_steps)
    make = _maker(options)
    rows = reference_rows(items, painter)
    models = (
        [] if make is None else model_rows(make, painter or ExactPainter(), items, controls=not options.no_controls)
    )
    models += _query_row(options, make, painter)
    settings = {"painter_steps": options.painter_steps}

    def watch(row: str, done: int, total: int) -> None:
        _say(f"{row}: {done} of {total} replies")

    results, outcomes = evaluate(
        [*models, *rows], items, options.out / "replies", batch=options.batch, settings=settings, watch=watch
    )
    if make is not None and (options.suite == "full" or options.faults):
        place = options.out / "replies" / "faults"
        known = already_known(outcomes, models[0].name)
        results += faults(items, make, painter or ExactPainter(), place, known=known, batch=options.batch)
    full = options.suite == "full"
    if full and models:
        place = options.out / "replies" / "paraphrase"
        results += paraphrased([*models[:1], BestGuess(load_items("paraphrase"))], place, batch=options.batch)
    results += beside(models[0] if models and full else None, n=300 if full else 100)
    write_results(options.out / "results.json", results)
    shown = table([one for one in results if one.row in {row.name for row in (*models, *rows)}])
    write_text(options.out / "results.md", shown)
    _say(shown)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all went well, 1 with a message on the error stream otherwise."""
    options = _parser().parse_args(arguments)
    try:
        match options.command:
            case "items":
                beside_it = options.out.with_name(f"{options.out.stem}-paraphrase{options.out.suffix}")
                _say(json.dumps([write_items(options.out), write_paraphrases(beside_it)], indent=1))
            case "audit":
                from tbcore.bench.audit import audit

                _say(json.dumps(audit(load_items()), indent=1))
            case "run":
                _run(options)
            case "seeds":
                _say(write_seeds(options.runs, options.out))
            case _:
                found = [read_results(path) for path in options.results]
                _say(table(found[0]) if len(found) == 1 else seeds_table(found, options.row))
    except TbcoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
