"""Every public module says what it offers: a sorted `__all__`, each name there, documented and typed."""

from __future__ import annotations

import ast

import pytest

from tbcore.course.places import project_root

ROOT = project_root()
MODULES = sorted(
    path
    for path in (ROOT / "tbcore").rglob("*.py")
    if not any(part.startswith("_") and part not in ("__init__.py", "__main__.py") for part in path.parts)
)


def name_of(path):
    return path.relative_to(ROOT).with_suffix("").as_posix()


def offered(tree):
    for node in tree.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            return ast.literal_eval(node.value)
    return None


def defined(tree):
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update({target.id: node for target in targets if isinstance(target, ast.Name)})
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update({alias.asname or alias.name: node for alias in node.names})
        elif isinstance(node, ast.If | ast.Try):
            found.update(defined(node))
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_says_what_it_offers(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "no module docstring"
    names = offered(tree)
    assert names is not None, "no __all__"
    # the order ruff keeps (RUF022): constants, then classes, then the rest
    kinds = [(0 if name.isupper() else 1 if name[:1].isupper() else 2) for name in names]
    assert kinds == sorted(kinds)
    assert len(set(names)) == len(names)
    have = defined(tree)
    assert [name for name in names if name not in have] == []
    for name in names:
        node = have[name]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert ast.get_docstring(node), f"{name} has no docstring"
        if isinstance(node, ast.FunctionDef):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert node.returns is not None, f"{name} does not say what it returns"
            assert [one.arg for one in arguments if one.annotation is None] == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_can_be_read_in_one_sitting(path):
    assert len(path.read_text("utf-8").splitlines()) <= 350
