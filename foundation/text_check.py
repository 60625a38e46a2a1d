"""Compares the catalogues with the program: what is said must be written, what is written must be said."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from foundation.content_check import Finding, bidi_balanced

KEY = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+")
_PREFIX = re.compile(r"([a-z][a-z0-9_]*\.(?:[a-z0-9_]+\.)*[a-z0-9_]*)")
_PARAMETER = re.compile(r"\{(\w+)\}")
_CALL = re.compile(r"(?<![\w.$])t\(")
_LITERAL = re.compile(r"""(['"])((?:\\.|(?!\1).)*)\1""")
_DYNAMIC = re.compile(
    r"`([a-z][a-z0-9_]*\.[a-z0-9_.]*)\$\{|['\"]([a-z][a-z0-9_]*\.[a-z0-9_.]*)['\"]\s*(?:~|\+)"
)
_NAMED = re.compile(r"(?:^|[{,(\s])(\w+)\s*(?:[:=](?!=)|(?=[,}]))")
_CALLERS = frozenset({"Text", "t"})
_LEFT_OUT = frozenset({".venv", ".tools", ".git", "node_modules", "dist", "tests", "rasa", "build"})
_TEMPLATES = (".html", ".jinja", ".txt", ".svelte", ".ts")


@dataclass(frozen=True)
class Use:
    """A key named in the program. `given` are the parameters beside it, None if they cannot be told."""

    key: str
    path: Path
    line: int
    given: frozenset[str] | None = None
    needed: bool = True


@dataclass
class Uses:
    """All keys of the program, and the beginnings of those that are put together while it runs."""

    keys: list[Use] = field(default_factory=list)
    prefixes: list[Use] = field(default_factory=list)


def text_findings(root: Path) -> list[Finding]:
    """Everything uneven between the program below `root` and its catalogues; empty if all is well."""
    catalogues = {
        path.parts[-3]: _Catalogue(path)
        for path in sorted((root / "content" / "locale").glob("*/LC_MESSAGES/foyer.po"))
    }
    if not catalogues:
        return [Finding(f"{root}/content/locale", "there is no catalogue", "set a first text")]
    uses = collect(root)
    return [
        *_missing(uses, catalogues),
        *_ungiven(uses, catalogues),
        *_unused(uses, catalogues),
        *_uneven(catalogues),
    ]


def collect(root: Path) -> Uses:
    """Every key in Python, Jinja, Svelte and TypeScript sources below `root`, tests aside."""
    uses = Uses()
    for path in _sources(root):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            _read_python(path, text, uses)
        else:
            _read_template(path, text, uses)
    return uses


class _Catalogue:
    """A catalogue with the line of each key."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.catalog = read_po(file, locale=path.parts[-3])
        self.messages = {_id(message): message for message in self.catalog if message.id}
        self._lines = {
            match[1]: number
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if (match := re.fullmatch(r'msgid "(.+)"', line))
        }

    def where(self, key: str) -> str:
        return f"{self.path}:{self._lines.get(key, 1)}"

    def slots(self, key: str) -> frozenset[str]:
        return frozenset(name for form in _forms(self.messages[key]) for name in _PARAMETER.findall(form))


def _id(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def _forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


# -- findings ----------------------------------------------------------------------------------------


def _missing(uses: Uses, catalogues: Mapping[str, _Catalogue]) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for use in uses.keys:
        lacking = [code for code, catalogue in catalogues.items() if use.key not in catalogue.messages]
        if (
            lacking
            and (use.needed or len(lacking) < len(catalogues))
            and (use.key, str(use.path)) not in seen
        ):
            seen.add((use.key, str(use.path)))
            yield Finding(
                f"{use.path}:{use.line}",
                f"{use.key} is not in the catalogue of {', '.join(lacking)}",
                f"run `python -m foundation.texts set {use.key} …`",
            )
    known = {key for catalogue in catalogues.values() for key in catalogue.messages}
    for prefix in uses.prefixes:
        if not any(key.startswith(prefix.key) for key in known):
            yield Finding(
                f"{prefix.path}:{prefix.line}", f"no text begins with {prefix.key}", "set the texts it needs"
            )


def _ungiven(uses: Uses, catalogues: Mapping[str, _Catalogue]) -> Iterator[Finding]:
    for use in uses.keys:
        if use.given is None:
            continue
        asked = frozenset().union(
            *(catalogue.slots(use.key) for catalogue in catalogues.values() if use.key in catalogue.messages)
        )
        if asked - use.given:
            names = ", ".join(sorted(asked - use.given))
            yield Finding(
                f"{use.path}:{use.line}",
                f"{use.key} needs {names}",
                "pass it here or take it out of the text",
            )


def _unused(uses: Uses, catalogues: Mapping[str, _Catalogue]) -> Iterator[Finding]:
    used = {use.key for use in uses.keys}
    beginnings = tuple({prefix.key for prefix in uses.prefixes})
    reported: set[str] = set()
    for catalogue in catalogues.values():
        for key in catalogue.messages:
            if key not in used and not key.startswith(beginnings) and key not in reported:
                reported.add(key)
                yield Finding(catalogue.where(key), f"{key} is never said", "use it or `unset` it")


def _uneven(catalogues: Mapping[str, _Catalogue]) -> Iterator[Finding]:
    for catalogue in catalogues.values():
        for key, message in catalogue.messages.items():
            for problem in _faults(catalogue, message):
                yield Finding(catalogue.where(key), f"{key}: {problem}", "set it again, whole")
    for key in sorted({key for catalogue in catalogues.values() for key in catalogue.messages}):
        holders = {code: catalogue for code, catalogue in catalogues.items() if key in catalogue.messages}
        first = next(iter(holders.values()))
        lacking = sorted(set(catalogues) - set(holders))
        if lacking:
            yield Finding(first.where(key), f"{key} is missing in {', '.join(lacking)}", "set it there")
        if len({catalogue.slots(key) for catalogue in holders.values()}) > 1:
            shown = ", ".join(
                f"{code}: {' '.join(sorted(one.slots(key))) or 'none'}" for code, one in holders.items()
            )
            yield Finding(
                first.where(key),
                f"{key} has not the same parameters everywhere ({shown})",
                "make them the same",
            )
        if len({isinstance(one.messages[key].string, str) for one in holders.values()}) > 1:
            yield Finding(
                first.where(key), f"{key} has plural forms in some languages only", "set them in all"
            )


def _faults(catalogue: _Catalogue, message: Message) -> Iterator[str]:
    forms = _forms(message)
    if not all(form.strip() for form in forms):
        yield "a text is empty"
    if message.fuzzy:
        yield "it is marked as a guess"
    if not all(map(bidi_balanced, forms)):
        yield "a direction mark is not closed"
    if not isinstance(message.string, str):
        if len(forms) != catalogue.catalog.num_plurals:
            yield f"{len(forms)} plural forms instead of {catalogue.catalog.num_plurals}"
        if "{count}" not in forms[-1]:
            yield "the plural form for many does not say {count}"


# -- the program's side ------------------------------------------------------------------------------


def _sources(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if not path.is_file() or _LEFT_OUT & set(parts) or any(part.startswith(".") for part in parts):
            continue
        if path.suffix == ".py" or (path.suffix in _TEMPLATES and {"templates", "src"} & set(parts)):
            yield path


def _read_python(path: Path, text: str, uses: Uses) -> None:
    tree = ast.parse(text)
    called: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _speaks(node.func) and node.args:
            called |= _read_call(path, node, uses)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and _is_key(node) and node.value is not None:
            for constant in _keys_below(node.value):
                called.add(id(constant))
                uses.keys.append(Use(str(constant.value), path, constant.lineno))
    for constant in _keys_below(tree):
        if id(constant) not in called:
            uses.keys.append(Use(str(constant.value), path, constant.lineno, needed=False))


def _read_call(path: Path, node: ast.Call, uses: Uses) -> set[int]:
    argument = node.args[0]
    if isinstance(argument, ast.JoinedStr):
        first = argument.values[0]
        if isinstance(first, ast.Constant) and _PREFIX.fullmatch(str(first.value)):
            uses.prefixes.append(Use(str(first.value), path, node.lineno))
        return set()
    spread = any(keyword.arg is None for keyword in node.keywords)
    given = None if spread else frozenset(keyword.arg for keyword in node.keywords if keyword.arg)
    found = list(_keys_below(argument))
    uses.keys += [Use(str(one.value), path, one.lineno, given) for one in found]
    return {id(one) for one in found}


def _speaks(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _CALLERS or str(name).endswith("catalogue")


def _is_key(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == "key" for target in targets)


def _keys_below(node: ast.AST) -> Iterator[ast.Constant]:
    for one in ast.walk(node):
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and KEY.fullmatch(one.value):
            yield one


def _read_template(path: Path, text: str, uses: Uses) -> None:
    spans: list[tuple[int, int]] = []
    for call in _CALL.finditer(text):
        end = _closing(text, call.end())
        spans.append((call.start(), end))
        inside, line = text[call.end() : end], text.count("\n", 0, call.start()) + 1
        first, rest = _first_argument(inside)
        for dynamic in _DYNAMIC.finditer(first):
            uses.prefixes.append(Use(dynamic[1] or dynamic[2], path, line))
        given = None if "..." in rest or "**" in rest else frozenset(_NAMED.findall(_without_inner(rest)))
        for literal in _LITERAL.finditer(_DYNAMIC.sub("", first)):
            if KEY.fullmatch(literal[2]):
                uses.keys.append(Use(literal[2], path, line, given))
    for literal in _LITERAL.finditer(text):
        if KEY.fullmatch(literal[2]) and not any(start <= literal.start() < end for start, end in spans):
            uses.keys.append(Use(literal[2], path, text.count("\n", 0, literal.start()) + 1, needed=False))
    for dynamic in _DYNAMIC.finditer(text):
        if (prefix := dynamic[1] or dynamic[2]) and not any(s <= dynamic.start() < e for s, e in spans):
            uses.keys.append(Use(prefix.rstrip("."), path, 1, needed=False))


def _closing(text: str, start: int) -> int:
    """Where the bracket that was opened before `start` closes."""
    depth = 1
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return len(text)


def _first_argument(inside: str) -> tuple[str, str]:
    depth = 0
    for index, character in enumerate(inside):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            return inside[:index], inside[index + 1 :]
    return inside, ""


def _without_inner(rest: str) -> str:
    """Parameters without what stands in inner brackets and quotes, so that only their names are left."""
    plain = _LITERAL.sub("''", rest)
    body = plain.strip().removeprefix("{")
    while (shorter := re.sub(r"\([^()]*\)|\[[^\[\]]*\]|`[^`]*`", "", body)) != body:
        body = shorter
    return body
