#!/usr/bin/env python3
"""Writes the generated pages: docs/reference/cli.md, and the tables of docs/reference/configuration.md."""

from pathlib import Path

from backstay.app import config_reference
from backstay.cli import reference
from backstay.cli.main import app

PAGES = Path(__file__).resolve().parent.parent / "docs" / "reference"


def main() -> None:
    """Both pages are in order afterwards; nothing is written that was in order before."""
    configuration = PAGES / "configuration.md"
    wanted = {
        PAGES / "cli.md": reference.page(app),
        configuration: config_reference.page(configuration.read_text(encoding="utf-8")),
    }
    for path, text in wanted.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            print(f"written: {path.name}")


if __name__ == "__main__":
    main()
