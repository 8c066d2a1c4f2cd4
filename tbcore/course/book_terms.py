"""Links that the book sets in running text: glossary terms, other lessons and papers, each where it first occurs.

Code, headings, links, HTML and formulas are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tbcore.errors import InputError

__all__ = ["Linker", "Term", "read_terms", "with_first_uses"]

_ALSO = re.compile(r"^\.\. also: (?P<words>.+)$")

_SKIP = (
    r"(?P<skip>```[\s\S]*?```|~~~[\s\S]*?~~~"  # fenced code
    r"|^:::[^\n]*$|^\([\w-]+\)=$"  # fences and targets of MyST
    r"|<!--[\s\S]*?-->"
    r"|^[ \t]*</?[a-zA-Z][^\n]*(?:\n(?![ \t]*\n)[^\n]+)*"  # a block of HTML ends at an empty line
    r"|<[^>\n]+>"
    r"|^\#{1,6} [^\n]*$"
    r"|!?\[(?:[^\[\]]|\[[^\[\]]*\])*\](?:\([^)]*\)|\[[^\]]*\])"
    r"|\{[\w:-]+\}`[^`]*`|(?P<ticks>`+)[\s\S]+?(?P=ticks)"
    r"|https?://\S+"
    r"|\$[^$\n]+\$)"
)
_LESSON = r"(?P<lesson>\b(?:notebooks?|appendix)\s+(?P<number>\d\d|A\d)\b)"
_PAPER = r"(?P<paper>\barXiv[: ]\s*(?P<arxiv>\d{4}\.\d{4,5})\b)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """An entry of the glossary.

    Args:
        name: as it stands in the glossary.
        words: what stands for it in running text, the name included; case and a plural s do not matter.
    """

    name: str
    words: tuple[str, ...]


def read_terms(glossary: Path) -> tuple[Term, ...]:
    """The terms of a page with one `{glossary}` directive, in its order.

    A comment `.. also: word, other words` before an entry names further words that stand for it.

    Raises:
        InputError: the page holds no directive, or two entries claim the same word.
    """
    inside = re.search(r"^(`{3,}|:{3,})\{glossary\}.*?\n([\s\S]*?)^\1", glossary.read_text("utf-8"), re.MULTILINE)
    if inside is None:
        raise InputError(f"{glossary}: the page needs one {{glossary}} directive; found none")
    found: list[Term] = []
    also: tuple[str, ...] = ()
    for line in inside[2].splitlines():
        named = _ALSO.match(line)
        if named:
            also = tuple(word.strip() for word in named["words"].split(","))
        elif line.strip() and not line[0].isspace() and not line.startswith(":"):
            found.append(Term(name=line.strip(), words=tuple(dict.fromkeys((line.strip(), *also)))))
            also = ()
    words = [word.lower() for term in found for word in term.words]
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise InputError(f"{glossary}: each word belongs to one entry; {', '.join(twice)} to two")
    return tuple(found)


class Linker:
    """Sets links in Markdown.

    Args:
        terms: the glossary.
        lessons: number of each lesson in the book, such as "05" -> its file name, such as "05_model_assembly.ipynb".
    """

    def __init__(self, terms: Iterable[Term], lessons: Mapping[str, str]) -> None:
        self._names = {_plain(word): term.name for term in terms for word in term.words}
        self._lessons = dict(lessons)
        words = sorted(self._names, key=len, reverse=True)
        spelled = "|".join(r"\s+".join(re.escape(part) for part in word.split()) for word in words)
        term = rf"|(?P<term>(?<![\w-])(?P<word>{spelled})(?:s|es)?(?![\w-]))" if words else ""
        self._pattern = re.compile(f"{_SKIP}|{_PAPER}|{_LESSON}{term}", re.MULTILINE | re.IGNORECASE)

    def link(self, texts: Iterable[str], *, here: str = "", folder: str = "") -> tuple[list[str], list[str]]:
        """The texts of one page with links, and the names of the terms linked, in the order of the text.

        Args:
            texts: Markdown, one text per cell.
            here: number of this lesson, which is not linked to itself.
            folder: where lessons lie, seen from this page.
        """
        seen: dict[str, None] = {}
        known_lessons = {here}

        def replace(match: re.Match[str]) -> str:
            whole = match.group(0)
            if match["skip"]:
                return whole
            if match["paper"]:
                return f"[{_one_line(whole)}](https://arxiv.org/abs/{match['arxiv']})"
            if match["lesson"]:
                number = match["number"].upper()
                if number in known_lessons or number not in self._lessons:
                    return whole
                known_lessons.add(number)
                return f"[{_one_line(whole)}]({folder}{self._lessons[number]})"
            name = self._names[_plain(match["word"])]
            if name in seen:
                return whole
            seen[name] = None
            return f"{{term}}`{_one_line(whole)} <{name}>`"

        return [self._pattern.sub(replace, text) for text in texts], list(seen)


def with_first_uses(glossary: str, terms: Iterable[Term], uses: Mapping[str, str]) -> str:
    """The glossary page with a link from each entry to where it is used first.

    Args:
        glossary: text of the page.
        terms: its entries.
        uses: name of a term -> Markdown link.
    """
    names = {term.name for term in terms}
    lines = glossary.splitlines()
    done: list[str] = []
    current = ""
    for number, line in enumerate(lines):
        if line.strip() in names and not line[:1].isspace():
            current = line.strip()
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if current in uses and line[:1].isspace() and not following[:1].isspace():
            line, current = f"{line} *First in {uses[current]}.*", ""
        done.append(line)
    return "\n".join(done) + "\n"


def _plain(word: str) -> str:
    return " ".join(word.lower().split())


def _one_line(text: str) -> str:
    return " ".join(text.split())
