"""Reading `config.yaml` exactly: decimals keep their digits, no key stands twice, every key has its line."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from backstay.app.errors import ConfigError

type KeyPath = tuple[str | int, ...]


class YamlFile:
    """The file's content, and the line (from 1) of every key in it."""

    def __init__(self, path: Path, data: dict[str, Any], lines: dict[KeyPath, int]) -> None:
        self.path = path
        self.data = data
        self.lines = lines

    def where(self, path: KeyPath) -> str:
        """`config.yaml:12` for the nearest known key around `path`."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.path}:{self.lines[path[:end]]}"
        return str(self.path)


def read_yaml(path: Path) -> YamlFile:
    """Raises ConfigError when the file cannot be read or is not a mapping."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    lines: dict[KeyPath, int] = {}
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        data = {} if node is None else _value(loader, node, (), lines, path)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {_first_line(error)}") from None
    finally:
        loader.dispose()
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path} must hold keys such as run: and managers:, not a {type(data).__name__}")
    return YamlFile(path, data, lines)


def _value(
    loader: yaml.SafeLoader, node: yaml.Node, at: KeyPath, lines: dict[KeyPath, int], path: Path
) -> Any:
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in found:
                raise ConfigError(f"{path}:{line}: {dotted((*at, key))} stands here for the second time")
            lines[*at, key] = line
            found[key] = _value(loader, value_node, (*at, key), lines, path)
        return found
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            lines[*at, index] = item.start_mark.line + 1
            items.append(_value(loader, item, (*at, index), lines, path))
        return items
    if node.tag == "tag:yaml.org,2002:float":
        try:
            return Decimal(str(node.value).replace("_", ""))
        except InvalidOperation:
            return str(node.value)
    if node.tag == "tag:yaml.org,2002:timestamp":
        return str(node.value)
    return loader.construct_object(node, deep=True)


def _first_line(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return str(error).splitlines()[0]


def dotted(path: KeyPath) -> str:
    """`managers[0].stop_loss.distance` of a key's path."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
