"""A pre-flight check: is this computer ready for the course? One line per matter, with its remedy.

`python -m tbcore doctor` looks at this computer; `--json` writes the same for somebody who collects thirty of them;
`--profile gpu` lists the larger parts, what would be fetched, under which licence, and whether they fit.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import tbcore
from tbcore.course.doctor_looks import Finding, machine_looks
from tbcore.profiles import PROFILES, named

__all__ = ["Finding", "as_json", "findings", "main"]

_WIDE = 16


def findings(
    profile: str = "laptop", *, parts: Path | str | None = None, generate: bool = True, rehearse: bool = False
) -> list[Finding]:
    """Everything the doctor looks at, in order.

    Args:
        profile: one of `PROFILES`.
        parts: for profile gpu: the name of a set, or a parts file; None: the set called "gpu".
        generate: let the language model write for three seconds.
        rehearse: for profile gpu: load the parts, and do one training step, one reply and one picture.

    Raises:
        ProfileError, InputError, MissingFileError: the profile or the parts cannot be read.
    """
    found = [look() for look in machine_looks(named(profile), generate=generate)]
    if profile != "gpu" and parts is None:
        return found
    from tbcore.course import doctor_gpu

    chosen = doctor_gpu.chosen_parts(parts)
    found += doctor_gpu.part_looks(chosen)
    if rehearse:
        from tbcore.course.doctor_rehearsal import rehearsal

        found += rehearsal(chosen)
    return found


def main(
    profile: str = "laptop",
    *,
    parts: Path | str | None = None,
    as_text: bool = True,
    generate: bool = True,
    rehearse: bool = False,
) -> int:
    """Print the findings, as lines or as JSON; exit status 1 if something must be mended."""
    found = findings(profile, parts=parts, generate=generate, rehearse=rehearse)
    if as_text:
        _print(found, profile)
    else:
        print(as_json(found, profile))
    return 1 if any(one.remedy and one.must for one in found) else 0


def as_json(found: Sequence[Finding], profile: str) -> str:
    """The findings for a program; nothing in it names the person or the computer."""
    rows = [{"matter": one.matter, "found": one.found, "remedy": one.remedy, "must": one.must} for one in found]
    told = {
        "tbcore": tbcore.__version__,
        "profile": profile,
        "system": f"{platform.system()} {platform.machine()}",
        "ready": not any(one.remedy and one.must for one in found),
        "findings": rows,
    }
    return json.dumps(told, indent=1, ensure_ascii=False)


def _print(found: Sequence[Finding], profile: str) -> None:
    for one in found:
        mark = "ok" if not one.remedy else "mend" if one.must else "advice"
        print(f"{mark:8}{one.matter:{_WIDE}}{one.found}")
        if one.remedy:
            print(f"{'':{8 + _WIDE}}-> {one.remedy}")
    open_ = sum(1 for one in found if one.remedy and one.must)
    told = "1 matter must be mended" if open_ == 1 else f"{open_} matters must be mended"
    others = " or ".join(f"--profile {name}" for name in PROFILES if name != profile)
    print(f"\n{told if open_ else f'Ready for profile {profile}'}. To check for another size of run, add {others}.")


if __name__ == "__main__":
    sys.exit(main())
