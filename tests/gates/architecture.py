"""Rules of the package that no single test of its behaviour sees: who imports whom, how long it is, what it documents."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

# What each module may import from the package when it is loaded or run. The arrows go one way; a new module of the
# core gets its line here and in DESIGN. `errors` imports nothing; `checks` is what every environment asks.
ARROWS: dict[str, set[str]] = {
    "errors": set(),
    "checks": {"errors"},
    "config": {"errors"},
    "envs": {"checks", "errors"},
    "shared": {"checks", "errors"},
    "worker": {"envs", "shared", "checks", "errors"},
    "parallel": {"worker", "envs", "shared", "checks", "errors"},
    "adapters": {"envs", "checks", "errors"},
    "probes": {"errors"},
    "policy": {"errors"},
    "gae": {"errors"},
    "buffer": {"errors"},
    "episodes": {"buffer", "errors"},
    "loss": {"errors"},
    "analytic": {"policy", "buffer", "loss", "config", "errors"},
    "evaluation": {"envs", "errors"},
    "checkpoint": {"config", "errors"},
}
READING_ORDER = [*ARROWS, "trainer"]
ARROWS["trainer"] = set(ARROWS)
# `if TYPE_CHECKING:` imports nothing when the code runs; a module may name the types of modules read before it.
BESIDE = {"extras", "teach", "viz"}  # built on the core, never imported by it
NO_TORCH = (
    "errors",
    "checks",
    "config",
    "envs",
    "shared",
    "worker",
    "parallel",
    "adapters",
    "probes",
)  # what a worker process loads

READ_IN_ONE_SITTING = ("config", "envs", "policy", "gae", "buffer", "loss", "trainer")
GUIDELINE, LIMIT, PARALLEL_LIMIT = (
    800,
    1000,
    450,
)  # lines that are not blank, docstrings and comments included


# --- imports


class Import(NamedTuple):
    module: str  # absolute
    line: int
    typing_only: bool
    in_function: bool


def imports(source: str, module: str, package: str = "ppo_core") -> Iterator[Import]:
    """Every import at any depth: statements, relative ones, and import_module("...") with a literal name."""

    def absolute(level: int, name: str) -> str:
        if not level:
            return name
        here = package if module == "__init__" else f"{package}.{module}"
        base = here.split(".")[: len(here.split(".")) - level + (module == "__init__")]
        return ".".join([*base, *([name] if name else [])])

    def visit(node: ast.AST, typing_only: bool, in_function: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, typing_only, in_function)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(node.level, node.module or "")
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, typing_only, in_function)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            literal = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if name in {"import_module", "__import__", "find_spec"} and isinstance(literal, str):
                level = len(literal) - len(literal.lstrip("."))
                yield Import(absolute(level, literal.lstrip(".")), node.lineno, typing_only, in_function)
        for field, value in ast.iter_fields(node):
            inner_typing = typing_only or (
                isinstance(node, ast.If) and field == "body" and "TYPE_CHECKING" in ast.unparse(node.test)
            )
            inner_function = in_function or isinstance(
                node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
            )
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from visit(child, inner_typing, inner_function)

    yield from visit(ast.parse(source), False, False)


def upward_imports(package: Path) -> list[str]:
    """Every import against the arrows, as `module.py, line n: ...`."""
    found = []
    for path in sorted(package.glob("*.py")):
        module = path.stem
        if module not in {*ARROWS, "__init__", "__main__"}:
            found.append(f"{path.name}: a module that the table of arrows does not know")
            continue
        for one in imports(path.read_text(encoding="utf-8"), module, package.name):
            parts = one.module.split(".")
            if parts[0] != package.name:
                continue
            target = parts[1] if len(parts) > 1 else ""
            where = f"{path.name}, line {one.line}: "
            if target in BESIDE:
                if not (module == "__main__" and one.in_function):
                    found.append(f"{where}imports {package.name}.{target}, which is built on the core")
            elif module == "__main__":
                continue
            elif target and (package / f"{target}.py").exists() and target not in {*ARROWS, "__main__"}:
                continue  # reported as a module without a place
            elif target not in {*ARROWS, "__main__"}:
                found.append(f"{where}imports from the package's front door; name the module that owns it")
            elif module == "__init__" and target != "__main__":
                continue
            elif one.typing_only and target in READING_ORDER and module in READING_ORDER:
                if READING_ORDER.index(target) >= READING_ORDER.index(module):
                    found.append(f"{where}names a type of {target}, which is read later")
            elif target not in ARROWS.get(module, set()):
                found.append(f"{where}imports {target}, against the arrows")
    return list(dict.fromkeys(found))


def torch_imports(package: Path) -> list[str]:
    """Imports of torch, at any depth, in what a worker process loads."""
    return [
        f"{module}.py, line {one.line}: imports {one.module}"
        for module in NO_TORCH
        if (path := package / f"{module}.py").exists()
        for one in imports(path.read_text(encoding="utf-8"), module, package.name)
        if one.module.split(".")[0] in {"torch", "torchrl", "stable_baselines3", "safetensors"}
        and not one.typing_only
    ]


# --- size


def lines_of(path: Path) -> int:
    return sum(1 for line in path.read_text(encoding="utf-8").splitlines() if line.strip())


# --- module-level state

CONSTANT_MAKERS = {
    "frozenset",
    "tuple",
    "int",
    "float",
    "str",
    "bytes",
    "MappingProxyType",
    "TypeVar",
    "ParamSpec",
}
CONSTANT_MAKERS |= {"NewType", "NamedTuple", "namedtuple", "compile", "Struct", "Path", "sqrt", "log", "exp"}
MUTATORS = {
    "append",
    "add",
    "update",
    "setdefault",
    "pop",
    "popitem",
    "clear",
    "extend",
    "insert",
    "remove",
    "discard",
}
MUTABLE = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)


def module_state(package: Path) -> list[str]:
    """Module-level names that hold state: mutable, filled or replaced later, or made by a call; and work at import."""
    found = []
    for path in sorted(package.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        frozen = {
            n.name
            for n in tree.body
            if isinstance(n, ast.ClassDef) and "frozen=True" in "".join(map(ast.unparse, n.decorator_list))
        }
        changed = set(changed_names(tree))
        for node in tree.body:
            where = f"{path.name}, line {node.lineno}: "
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                found.append(f"{where}`{ast.unparse(node)[:60]}` works at import")
            if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
            maker = ""
            if isinstance(node.value, ast.Call):
                function = node.value.func
                maker = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
            for name in names:
                if name == "__all__":
                    continue
                empty = isinstance(node.value, MUTABLE) and not ast.unparse(node.value).strip("{}[]")
                if isinstance(node.value, MUTABLE) and (empty or not name.isupper()):
                    found.append(f"{where}`{name}` is a mutable object at module level")
                elif maker and maker not in CONSTANT_MAKERS | frozen:
                    found.append(f"{where}`{name}` is made by {maker}() at import")
                elif name in changed:
                    found.append(f"{where}`{name}` is changed later in the module")
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                found.append(f"{path.name}, line {node.lineno}: `global {', '.join(node.names)}`")
    return found


def changed_names(tree: ast.Module) -> Iterator[str]:
    """Names whose object is changed in place somewhere in the module."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, ast.Store | ast.Del)
            and isinstance(node.value, ast.Name)
        ):
            yield node.value.id
        elif (
            isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATORS
        ):
            if isinstance(node.func.value, ast.Name):
                yield node.func.value.id
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


# --- docstrings

ARRAYS = re.compile(r"\b(Tensor|ndarray|NDArray|ArrayLike)\b")
SHAPE = re.compile(r"\[\*?[A-Za-z]\w*(?:, ?(?:\*?\w+|\.\.\.))*\]|\bscalars?\b|\bany shape\b")


def takes_arrays(function: object) -> bool:
    try:
        return bool(ARRAYS.search(str(inspect.signature(function))))
    except (TypeError, ValueError):
        return False


def own_docstring(thing: object) -> str:
    """The docstring that was written for it: not inherited, not the one that dataclass or NamedTuple make up."""
    doc = (vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__) or ""
    made_up = inspect.isclass(thing) and doc.startswith(f"{thing.__name__}(") and doc.endswith((")", "None"))
    return "" if made_up else doc


def docstring_problems(module: ModuleType) -> list[str]:
    """Public names without a docstring of their own, and array-valued ones whose docstring states no shape."""
    found = []
    for name in module.__all__:
        thing = getattr(module, name)
        if not (inspect.isclass(thing) or callable(thing)):
            continue
        doc = own_docstring(thing)
        if not doc:
            found.append(f"{name} has no docstring")
            continue
        if not inspect.isclass(thing):
            if takes_arrays(thing) and not SHAPE.search(doc):
                found.append(f"{name}: its docstring states no shape")
            continue
        fields = (
            getattr(thing, "__annotations__", {})
            if hasattr(thing, "_fields") or dataclasses.is_dataclass(thing)
            else {}
        )
        if any(ARRAYS.search(str(kind)) for kind in fields.values()) and not SHAPE.search(doc):
            found.append(f"{name}: its docstring states no shape")
        protocol = getattr(thing, "_is_protocol", False)
        for method_name, raw in vars(thing).items():
            method = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
            method = method.fget if isinstance(method, property) else method
            if method_name.startswith("_") or not inspect.isfunction(method) or protocol:
                continue
            words = method.__doc__ or ""
            if not words:
                found.append(f"{name}.{method_name} has no docstring")
            elif takes_arrays(method) and not SHAPE.search(words + doc):
                found.append(f"{name}.{method_name}: its docstring states no shape")
    return found
