"""`python -m tbcore run | test | serve | doctor | bundle | kit`: thin; the work is in `tbcore.course`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tbcore.errors import TbcoreError
from tbcore.profiles import PROFILES

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and carry it out; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["serve"]:  # its options are the server's own
        from tbcore.demo.serving.command import main as serve

        return serve(given[1:])
    try:
        if given[:1] == ["bundle"]:
            from tbcore.course import bundle

            return bundle.main(given[1:])
        if given[:1] == ["kit"]:
            from tbcore.course import instructor_kit

            return instructor_kit.main(given[1:])
        options = _parser().parse_args(given)
        match options.command:
            case "run":
                return _run(options)
            case "test":
                return _test(options.pytest)
            case _:
                from tbcore.course import doctor

                return doctor.main(
                    options.profile,
                    parts=options.parts,
                    as_text=not options.json,
                    generate=not options.quick,
                    rehearse=options.rehearse,
                )
    except TbcoreError as error:
        print(f"\n{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What was finished stays done; run the same command to go on.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tbcore", description="TextBind Workshop")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="execute the notebooks in order")
    run.add_argument("--profile", default="laptop", choices=list(PROFILES), help="size of the run (default laptop)")
    run.add_argument("--seed", type=int, default=0, help="every random stream derives from it (default 0)")
    run.add_argument("--force", action="store_true", help="redo what is already done")
    run.add_argument(
        "--edition", default="solved", choices=["solved", "student"], help="solved, or student with open exercises"
    )
    run.add_argument("--only", nargs="+", default=[], metavar="NN", help="numbers of notebooks, such as 01 A2")
    run.add_argument("--appendices", action="store_true", help="run the appendices after the numbered notebooks")
    run.add_argument("--run-dir", type=Path, help="where this chain keeps its files (default runs/PROFILE)")
    run.add_argument("--pairs", help="postcards, photos, or a folder with pictures and captions")
    run.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="further notebook parameters, e.g. teacher=api",
    )
    test = commands.add_parser("test", help="unit tests, then the smoke chain in both editions")
    test.add_argument("pytest", nargs="*", help="options for pytest")
    commands.add_parser("serve", help="serve a trained model behind an OpenAI-compatible endpoint; serve --help")
    commands.add_parser("bundle", help="pack the course for a room without a network; bundle --help")
    commands.add_parser("kit", help="write the instructor kit: timing, slides, misconceptions, solutions; kit --help")
    doctor = commands.add_parser("doctor", help="check this machine and what is installed")
    doctor.add_argument("--profile", default="laptop", choices=list(PROFILES))
    doctor.add_argument("--parts", metavar="NAME", help="for profile gpu: a set of parts, or a parts file (TOML)")
    doctor.add_argument("--rehearse", action="store_true", help="for profile gpu: fetch, train a step, reply, paint")
    doctor.add_argument("--quick", action="store_true", help="leave out the three seconds of writing")
    doctor.add_argument("--json", action="store_true", help="for a program, or for somebody who collects many")
    return parser


def _run(options: argparse.Namespace) -> int:
    from tbcore.course import runner
    from tbcore.course.places import course, project_root

    parameters = dict(_assignment(text) for text in options.set)
    if options.pairs:
        folder = Path(options.pairs).expanduser()
        parameters["pairs"] = str(folder.resolve()) if folder.is_dir() else options.pairs
    suffix = f"-{Path(options.pairs).name}" if options.pairs and options.pairs != "postcards" else ""
    run_dir = options.run_dir or project_root() / "runs" / f"{options.profile}{suffix}"
    runner.run(
        course(),
        runner.Options(
            profile=options.profile,
            seed=options.seed,
            edition=options.edition,
            force=options.force,
            only=tuple(options.only),
            appendices=options.appendices,
            run_dir=Path(run_dir).resolve(),
            parameters=parameters,
        ),
    )
    return 0


def _assignment(text: str) -> tuple[str, Any]:
    """`name=value`; numbers and booleans are read as such."""
    import json

    name, found, value = text.partition("=")
    if not found:
        raise SystemExit(f"--set: expected NAME=VALUE, got {text!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _test(arguments: Sequence[str]) -> int:
    """Pytest in its own process, so that its summary is the last line."""
    from tbcore.course.places import project_root

    return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=project_root())


if __name__ == "__main__":
    sys.exit(main())
