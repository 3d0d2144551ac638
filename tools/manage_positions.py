#!/usr/bin/env python3
"""`backstay positions` under the name by which some know it.

manage_positions.py list|status|close [--position-id ID] [--market-price] [--force] [--format text|json]
"""

import sys

from backstay.cli.main import execute

COMMANDS = ("list", "status", "close")


def translate(arguments: list[str]) -> list[str]:
    """The arguments as `backstay positions` takes them. Raises SystemExit for an unknown format."""
    passed: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, separator, value = argument.partition("=")
        if name != "--format":
            passed.append(argument)
            continue
        chosen = value if separator else next(rest, "")
        if chosen not in {"text", "json"}:
            print(f"--format: {chosen!r} is not known; known are text, json", file=sys.stderr)
            raise SystemExit(2)
        if chosen == "json":
            passed.append("--json")
    return ["positions", *passed]


if __name__ == "__main__":
    sys.exit(execute(translate(sys.argv[1:])))
