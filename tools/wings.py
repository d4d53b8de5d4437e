"""Which wing of crates/python names which: `make lint` holds the arrows down, and has no circles but `KNOTS`.

    tools/wings.py [--draw] [--circles]

A wing may name itself and those below it (`WINGS`, the lowest first). `--draw` prints the arrows between the
wings with their numbers, `--circles` what names each other in a circle.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "crates" / "python" / "src"
WINGS = ["ffi", "event_loop", "waiting", "io", "door", "lib"]

# What is made of each other. A name stands for what is below it, too.
KNOTS = [
    {"ffi/class", "ffi/instance"},
    {f"event_loop/{name}" for name in ("future", "handle", "home", "item", "loop_core", "sources", "task")},
]

Module = tuple[str, ...]


def modules() -> dict[Module, str]:
    """The code of each module, without comments, strings, and tests."""
    found = {}
    for path in sorted(SOURCE.rglob("*.rs")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = parts[:-1] if parts[-1] == "mod" else parts
        code = re.sub(r"//.*", "", path.read_text())
        code = re.sub(r'c?"(?:[^"\\]|\\.)*"', '""', code, flags=re.DOTALL)
        found[name] = code
    return found


def leaves(tree: str) -> Iterator[list[str]]:
    """The paths of a `use`, braces opened."""
    tree = tree.strip()
    head, brace, rest = tree.partition("{")
    if not brace:
        yield [part.strip() for part in re.split(r"\s+as\s+", tree)[0].split("::")]
        return
    prefix = [part.strip() for part in head.split("::") if part.strip()]
    depth, start = 0, 0
    inner = rest[: rest.rindex("}")]
    for index, char in enumerate(inner + ","):
        depth += (char == "{") - (char == "}")
        if char == "," and not depth:
            if inner[start:index].strip():
                for leaf in leaves(inner[start:index]):
                    yield prefix + leaf
            start = index + 1


class Names:
    """What stands behind a path: the module that has it, also where another passes it on."""

    def __init__(self, code: dict[Module, str]) -> None:
        self.code = code
        self.passed_on: dict[Module, dict[str, Module]] = defaultdict(dict)
        for module, text in code.items():
            for tree in re.findall(r"pub(?:\([^)]*\))? use ([^;]+);", text):
                for leaf in leaves(tree):
                    self.passed_on[module][leaf[-1]] = self.absolute(module, leaf)

    def absolute(self, module: Module, path: list[str]) -> Module:
        if path[0] == "crate":
            return tuple(path[1:])
        if path[0] == "super":
            above = module[:-1]
            return self.absolute(above, path[1:]) if path[1:2] == ["super"] else (*above, *path[1:])
        base = () if module == ("lib",) else module
        return (*base, *(path[1:] if path[0] == "self" else path))

    def owner(self, path: Module) -> Module | None:
        for _ in range(8):
            for length in range(len(path), 0, -1):
                if path[:length] in self.code:
                    break
            else:
                return None
            known, rest = path[:length], path[length:]
            if rest and rest[0] in self.passed_on[known]:
                path = (*self.passed_on[known][rest[0]], *rest[1:])
                continue
            return known
        return None


def arrows(code: dict[Module, str]) -> dict[Module, set[Module]]:
    names = Names(code)
    found: dict[Module, set[Module]] = {}
    for module, text in code.items():
        text = re.sub(r"pub(?:\([^)]*\))? use [^;]+;", "", text)
        paths = [
            names.absolute(module, leaf)
            for tree in re.findall(r"\buse ((?:crate|super|self)::[^;]+);", text)
            for leaf in leaves(tree)
        ]
        text = re.sub(r"\buse [^;]+;", "", text)
        paths += [tuple(path.split("::")[1:]) for path in re.findall(r"\bcrate(?:::\w+)+", text)]
        base = () if module == ("lib",) else module
        for child in (child[-1] for child in code if child[:-1] == base):
            named = re.findall(rf"(?<![\w:]){child}(?:::\w+)+", text)
            paths += [(*base, *path.split("::")) for path in named]
        owners = {names.owner(tuple(path)) for path in paths}
        found[module] = {owner for owner in owners if owner and owner != module}
    return found


def circles(graph: dict[Module, set[Module]]) -> list[list[Module]]:
    """Strongly connected components of more than one module (Tarjan)."""
    order: dict[Module, int] = {}
    low: dict[Module, int] = {}
    stack: list[Module] = []
    result: list[list[Module]] = []

    def visit(module: Module) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in graph[module]:
            if other not in order:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], order[other])
        if low[module] == order[module]:
            index = stack.index(module)
            circle = stack[index:]
            del stack[index:]
            if len(circle) > 1:
                result.append(sorted(circle))

    sys.setrecursionlimit(10_000)
    for module in graph:
        if module not in order:
            visit(module)
    return result


def is_knot(circle: list[Module]) -> bool:
    def is_in(module: Module, knot: set[str]) -> bool:
        return any("/".join(module[:length]) in knot for length in range(1, len(module) + 1))

    return any(all(is_in(module, knot) for module in circle) for knot in KNOTS)


def main() -> int:
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--draw", action="store_true", help="print the arrows between the wings")
    parser.add_argument("--circles", action="store_true", help="print what names each other in a circle")
    options = parser.parse_args()
    graph = arrows(modules())
    wrong = []
    between: Counter[tuple[str, str]] = Counter()
    for module, others in graph.items():
        for other in others:
            between[module[0], other[0]] += 1
            if WINGS.index(other[0]) > WINGS.index(module[0]):
                wrong.append((module, other))
    if options.draw:
        for upper in reversed(WINGS):
            below = ", ".join(f"{lower} {between[upper, lower]}" for lower in WINGS if between[upper, lower])
            print(f"{upper:12} -> {below}")
    found = circles(graph)
    untied = [circle for circle in found if not is_knot(circle)]
    for circle in found if options.circles else untied:
        print(f"circle of {len(circle)}: " + ", ".join("/".join(module) for module in circle))
    for module, other in sorted(wrong):
        print(f"{'/'.join(module)} names {'/'.join(other)}, which stands above it")
    return 1 if wrong or untied else 0


if __name__ == "__main__":
    sys.exit(main())
