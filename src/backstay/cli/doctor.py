"""`backstay doctor`."""

from typing import TYPE_CHECKING

from backstay.cli.common import ConfigOption, JsonOption, console, loop, show_json

if TYPE_CHECKING:
    from backstay.app.doctor_checks import Check


def doctor(*, config: ConfigOption = None, json: JsonOption = False) -> int:
    """Look at everything that can be wrong, and say what to do. Sends nothing."""
    import msgspec

    from backstay.app.doctor import examine, verdict

    if json:
        checks = loop(examine(config))
        counts = {
            state: sum(1 for c in checks if c.state == state) for state in ("pass", "warn", "fail", "skip")
        }
        show_json({"ok": not counts["fail"], "counts": counts, "checks": msgspec.to_builtins(checks)})
        return verdict(checks)
    out = console()
    colours = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}

    def tell(check: "Check") -> None:
        out.print(f"[{colours[check.state]}]{check.state:>4}[/]  {check.name:18} ", end="")
        out.print(check.detail, markup=False)
        if check.todo:
            out.print(f"{'':26}-> {check.todo}", style="dim", markup=False)

    return verdict(loop(examine(config, tell)))
