#!/usr/bin/env python3
"""`backstay positions` under the name by which some know it.

manage_positions.py list|status|close [--position-id ID] [--market-price] [--force] [--format text|json]

list    every open position and lot     --symbol S  --status S  --min-age 10h  --sort age|pnl|symbol
status  counts, streams, ages, errors
close   one of them                     --position-id ID  --market-price  --limit-price P  --force
                                        --gone  --yes  --reason TEXT
all     --format text|json  --config PATH
"""

import difflib
import os
import sys
from pathlib import Path

COMMANDS = ("list", "status", "close")
FORMATS = ("text", "json")
VENV = Path(__file__).resolve().parents[1] / ".venv" / "bin" / "python"


def translate(arguments: list[str]) -> list[str]:
    """The arguments as `backstay positions` takes them. Raises SystemExit (2) for an unknown format."""
    passed: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        name, separator, value = argument.partition("=")
        if name != "--format":
            passed.append(argument)
            continue
        chosen = value if separator else next(rest, "")
        if chosen not in FORMATS:
            near = difflib.get_close_matches(chosen, FORMATS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(FORMATS)}"
            print(f"--format: {chosen!r} is not known; {hint}", file=sys.stderr)
            raise SystemExit(2)
        if chosen == "json":
            passed.append("--json")
    return ["positions", *passed]


def main(arguments: list[str]) -> int:
    """Run the command; with the checkout's own interpreter where this one has not got the program."""
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__)
        return 0 if arguments else 2
    passed = translate(arguments)
    try:
        from backstay.cli.main import execute
    except ModuleNotFoundError as error:
        if VENV.exists() and Path(sys.prefix) != VENV.parents[1]:
            os.execv(VENV, [str(VENV), __file__, *arguments])  # noqa: S606 (the checkout's own interpreter)
        print(f"{error.name} is not installed; `python3 dev.py test` sets everything up", file=sys.stderr)
        return 2
    return execute(passed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
