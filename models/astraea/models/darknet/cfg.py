"""Darknet's `.cfg` text: `[section]` lines, `key=value` lines below them, comments from `#` or `;`.

White space means nothing anywhere in a line. Of a key given twice in a section the first counts, as in Darknet.
A cfg comes from outside: its length is bounded, and numbers are numbers to the last character.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..errors import DarknetConfigError

_MAX_CFG_BYTES = 1 << 20  # a hundred times that of YOLOv3
_INTEGER = re.compile(r"[+-]?[0-9]{1,9}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}\.?[0-9]{0,20}|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?")


class Option(NamedTuple):
    """The value of a key, and where it stands."""

    text: str
    where: str


@dataclass(frozen=True)
class Section:
    """A `[kind]` line and the options below it.

    The getters raise `DarknetConfigError`, which names file, line, key and value, for a key that is absent (where no
    default is given), is no number, or lies outside `low` to `high`, both included.
    """

    kind: str
    where: str
    """`FILE:LINE` of the section's head."""
    options: Mapping[str, Option]

    def integer(self, key: str, default: int | None = None, *, low: int = 0, high: int) -> int:
        """One integer."""
        option = self.option(key, None if default is None else str(default))
        return _integer(key, option, option.text, low, high)

    def integers(self, key: str, *, low: int, high: int) -> list[int]:
        """Integers with commas between them, at least one."""
        option = self.option(key)
        return [_integer(key, option, item, low, high) for item in option.text.split(",")]

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """One real number."""
        option = self.option(key, str(default))
        return _number(key, option, option.text, low, high)

    def numbers(self, key: str, *, low: float, high: float) -> list[float]:
        """Real numbers with commas between them, at least one."""
        option = self.option(key)
        return [_number(key, option, item, low, high) for item in option.text.split(",")]

    def option(self, key: str, default: str | None = None) -> Option:
        """The value of a key as it stands in the file."""
        if key in self.options:
            return self.options[key]
        if default is None:
            raise DarknetConfigError(f"{self.where}: [{self.kind}] has no {key!r}")
        return Option(default, self.where)


def read_cfg(path: Path) -> list[Section]:
    """Read a `.cfg` file.

    Raises:
        DarknetConfigError: the file cannot be read, is too long to be a cfg, or does not parse.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_CFG_BYTES + 1)
    except OSError as error:
        raise DarknetConfigError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > _MAX_CFG_BYTES:
        raise DarknetConfigError(f"{path.name} is longer than {_MAX_CFG_BYTES} bytes: that is no cfg")
    return parse_cfg(content.decode(errors="replace"), path.name)


def parse_cfg(text: str, source: str) -> list[Section]:
    """Split a cfg into its sections, in order; `source` names it in errors.

    Raises:
        DarknetConfigError: a line is neither a section nor an option, or an option stands before the first section.
    """
    sections: list[Section] = []
    options: dict[str, Option] = {}
    for number, raw in enumerate(text.split("\n"), start=1):
        line = re.split("[#;]", "".join(raw.split()), maxsplit=1)[0]
        where = f"{source}:{number}"
        if line.startswith("[") and line.endswith("]") and len(line) > 2:
            options = {}
            sections.append(Section(line[1:-1], where, options))
        elif line:
            key, value = _key_and_value(line, where)
            if not sections:
                raise DarknetConfigError(f"{where}: {key!r} stands before the first [section]")
            options.setdefault(key, Option(value, where))
    return sections


def _key_and_value(line: str, where: str) -> tuple[str, str]:
    key, _, value = line.partition("=")
    if not key or not value:
        raise DarknetConfigError(f"{where}: {line[:40]!r} is neither [section] nor key=value")
    return key, value


def _integer(key: str, option: Option, text: str, low: int, high: int) -> int:
    if _INTEGER.fullmatch(text) is None or not low <= (value := int(text)) <= high:
        expected = f"an integer from {low} to {high}" if low < high else str(low)
        raise DarknetConfigError(f"{option.where}: {key}={text[:40]}, expected {expected}")
    return value


def _number(key: str, option: Option, text: str, low: float, high: float) -> float:
    if _NUMBER.fullmatch(text) is None or not low <= (value := float(text)) <= high:
        raise DarknetConfigError(f"{option.where}: {key}={text[:40]}, expected a number from {low:g} to {high:g}")
    return value
