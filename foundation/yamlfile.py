"""A YAML file that knows the line of each field, so that an error can point at it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from foundation.errors import OperatorError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class PlainLoader(_Loader):  # type: ignore[misc]  # the C loader where there is one; both have the same face
    """Reads `no`, `on` and `yes` as words, as YAML 1.2 does: `no` is also a language."""


PlainLoader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, rules in _Loader.yaml_implicit_resolvers.items()
}


class YamlFile:
    """The content of one file, or of `text` in its place. Errors: OperatorError naming file and line."""

    def __init__(self, path: Path, text: str | None = None) -> None:
        self.path = path
        try:
            self.text = path.read_text(encoding="utf-8") if text is None else text
            self.value: Any = yaml.load(self.text, Loader=PlainLoader)  # noqa: S506 - a safe loader, see above
        except OSError as error:
            raise OperatorError(f"{path}: cannot be read ({error.strerror}); restore it.") from error
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise OperatorError(
                f"{path}:{line}: not valid YAML ({error.problem}); correct this line."
            ) from error
        if not isinstance(self.value, dict):
            raise OperatorError(
                f"{path}:1: must start with `name: value` lines; compare with its neighbours."
            )

    def line_of(self, field: Sequence[str | int]) -> int:
        """The line of a field such as ("gate", "questions", 0, "ask"), or of the nearest field around it."""
        node = yaml.compose(self.text, Loader=PlainLoader)
        line = 1
        for step in field:
            found = _child(node, step)
            if found is None:
                break
            line, node = found
        return line

    def error(self, field: Sequence[str | int], problem: str) -> OperatorError:
        where = ".".join(str(step) for step in field)
        return OperatorError(f"{self.path}:{self.line_of(field)}: {where}: {problem}")


def _child(node: Any, step: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None
