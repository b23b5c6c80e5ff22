"""What the source says of a place in it: the condition that stands there, and whether a side computes anything."""

from __future__ import annotations

import ast
import functools
from typing import Any

LONGEST = 120
#: What only tells somebody something computes nothing.
TELLS = {"warn", "warning", "warn_once", "warning_once", "info", "info_once", "debug", "error", "exception", "print"}
#: What raises an error unless its argument holds, as torch and the library call it.
CHECKS = {"_check", "_check_value", "_check_tensor_all", "_assert", "torch_compilable_check"}
CONTROL = (ast.If, ast.While, ast.IfExp, ast.Assert)


class Condition:
    """The expression at a place, and the nodes around it, outermost first."""

    def __init__(self, path: list[ast.AST], text: str) -> None:
        self.path = path
        self.text = text

    @property
    def node(self) -> ast.AST:
        return self.path[-1]

    def side(self, name: str, outcome: bool) -> bool:
        """The value of the expression where the comparison `name` of its parts ended so: `a != b` and `a not in b` ask
        their parts for equality."""
        node = self.node
        negated = isinstance(node, ast.Compare) and isinstance(node.ops[-1], ast.NotEq | ast.NotIn) and name == "eq"
        return outcome != negated

    def is_look_up(self) -> bool:
        return isinstance(self.node, ast.Compare) and isinstance(self.node.ops[-1], ast.In | ast.NotIn)

    def constants(self) -> list[int]:
        """The whole numbers that the whole test compares with, as they are written."""
        test = self.node
        for parent in reversed(self.path[:-1]):
            if not isinstance(parent, ast.BoolOp | ast.UnaryOp | ast.Compare | ast.BinOp | ast.Call | ast.Attribute):
                break
            test = parent
        parts = [part for node in ast.walk(test) if isinstance(node, ast.Compare) for part in node.comparators]
        values = [part.value for part in parts if isinstance(part, ast.Constant)]
        return [value for value in values if type(value) is int]

    def computes(self, side: bool) -> bool:
        """Whether something comes of a side: one that ends in an error, or only tells somebody something, is none of
        the model's ways."""
        construct, negated = self._construct()
        if isinstance(construct, ast.Assert | ast.Expr):
            return side != negated
        if not isinstance(construct, ast.If):
            return True
        taken, left = (construct.body, construct.orelse) if side != negated else (construct.orelse, construct.body)
        ends = taken or ([] if side != negated else self._after(construct))
        if ends and isinstance(ends[-1], ast.Raise):
            return False
        return not all(_only_tells(statement) for statement in (*taken, *left))

    def _construct(self) -> tuple[ast.AST | None, bool]:
        """The statement or expression that the place decides, and whether a `not` lies between."""
        negated = False
        for node, parent in zip(reversed(self.path), reversed(self.path[:-1]), strict=False):
            if isinstance(parent, CONTROL):
                return (parent, negated) if parent.test is node else (None, negated)
            if isinstance(parent, ast.UnaryOp) and isinstance(parent.op, ast.Not):
                negated = not negated
            elif isinstance(parent, ast.Expr) and isinstance(node, ast.Call) and _called(node) in CHECKS:
                return parent, negated
            elif isinstance(parent, ast.Call) and _called(parent) not in {"bool", *CHECKS}:
                return None, negated
            elif not isinstance(parent, ast.BoolOp | ast.Call):
                return None, negated
        return None, negated

    def _after(self, construct: ast.AST) -> list[ast.stmt]:
        """The first statement that follows an `if`."""
        at = self.path.index(construct)
        for _, value in ast.iter_fields(self.path[at - 1]):
            if isinstance(value, list) and construct in value:
                return value[value.index(construct) + 1 :][:1]
        return []


def _only_tells(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass | ast.Raise | ast.Assert):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    call = statement.value
    if isinstance(call, ast.Constant):
        return True
    return isinstance(call, ast.Call) and _called(call) in TELLS


def _called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


@functools.cache
def _parsed(file: str) -> tuple[ast.AST | None, list[bytes]]:
    try:
        with open(file, "rb") as read:
            source = read.read()
        return ast.parse(source), source.splitlines()
    except (OSError, SyntaxError, ValueError, RecursionError):
        # Code that was made from no file: its places are told without their text.
        return None, []


def condition(file: str, at: tuple[int, int, int, int]) -> Condition | None:
    """The expression from line and column to line and column; columns count bytes, as the interpreter does."""
    tree, lines = _parsed(file)
    if tree is None:
        return None
    start, end = at[:2], at[2:]
    path: list[ast.AST] = []
    found: list[ast.AST] = []
    node: Any = tree
    while node is not None:
        path.append(node)
        if hasattr(node, "lineno") and _span(node) == (start, end):
            found = list(path)
        inside = (child for child in ast.iter_child_nodes(node) if _holds(child, start, end))
        node = next(inside, None)
    if not found:
        return None
    text = b" ".join(line.strip() for line in _cut(lines, start, end)).decode(errors="replace")
    return Condition(found, text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")


def line(file: str, number: int) -> str:
    """A line of a file, for a place at which no expression is found."""
    lines = _parsed(file)[1]
    text = lines[number - 1].strip().decode(errors="replace") if 0 < number <= len(lines) else ""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _span(node: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _holds(node: Any, start: tuple[int, int], end: tuple[int, int]) -> bool:
    if not hasattr(node, "lineno"):
        # An operator, a comprehension's clause, the arguments of a function: it lies where its parts do.
        return any(_holds(child, start, end) for child in ast.iter_child_nodes(node))
    first, last = _span(node)
    # What decorates a function stands before it.
    first = min([first, *(_span(part)[0] for part in getattr(node, "decorator_list", ()))])
    return first <= start and end <= last


def _cut(lines: list[bytes], start: tuple[int, int], end: tuple[int, int]) -> list[bytes]:
    cut = list(lines[start[0] - 1 : end[0]])
    cut[-1] = cut[-1][: end[1]]
    cut[0] = cut[0][start[1] :]
    return cut
