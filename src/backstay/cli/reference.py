"""Every command's help as docs/reference/cli.md; a test compares the page with this."""

import io
from collections.abc import Iterator

from cyclopts import App
from rich.console import Console

WIDTH = 100
HEAD = """# Commands

Made from the commands' own help (`backstay.cli.reference`); a test compares. How they end:
[exit codes](exit-codes.md).
"""


def page(app: App) -> str:
    """The whole page."""
    return "\n".join([HEAD, *(_section(app, words) for words in _commands(app, ()))])


def _commands(app: App, at: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The words of every command, depth first, in alphabetical order."""
    for name in sorted(app):
        if name.startswith("-"):
            continue
        words = (*at, name)
        inner = [n for n in app[name] if not n.startswith("-")]
        if inner:
            yield from _commands(app[name], words)
        else:
            yield words


def _section(app: App, words: tuple[str, ...]) -> str:
    out = io.StringIO()
    app.help_print(
        list(words), console=Console(file=out, width=WIDTH, color_system=None, force_terminal=False)
    )
    lines = [line.rstrip() for line in out.getvalue().strip().splitlines()]
    return f"## backstay {' '.join(words)}\n\n```text\n" + "\n".join(lines) + "\n```\n"
