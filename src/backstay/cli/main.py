"""The entry point: `backstay COMMAND`. Commands import what they need when they run: help is quick."""

import signal
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from backstay import __version__
from backstay.cli import (
    backtest,
    demo,
    doctor,
    exchange,
    init,
    ledger,
    operator,
    positions,
    run,
    simulate,
    store,
    watch,
)
from backstay.cli.exits import Exit, complain, exit_of
from backstay.telemetry.redaction import redact

app = App(
    name="backstay",
    help="Keeps positions on Binance protected: stop-loss, take-profit and DCA that exist at the venue.",
    version=__version__,
    help_format="plaintext",
    default_parameter=Parameter(show_default=False),
)
app.command(demo.demo)
app.command(run.run)
app.command(init.init)
app.command(doctor.doctor)
app.command(positions.app)
app.command(operator.pause)
app.command(operator.resume)
app.command(operator.ack)
app.command(operator.kill)
app.command(watch.watch)
app.command(ledger.app)
app.command(store.app)
app.command(exchange.app)
app.command(simulate.simulate)
app.command(backtest.backtest)


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. Expected errors become one message on stderr."""
    try:
        result = app(
            list(sys.argv[1:] if arguments is None else arguments),
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except CycloptsError as error:
        complain(_usage(error))
        return Exit.USAGE
    except KeyboardInterrupt:
        complain("interrupted")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return Exit.DONE
    except Exception as error:  # noqa: BLE001 (every error ends as words and a code)
        return _failed(error)
    return int(result) if isinstance(result, int) else Exit.DONE


def _usage(error: CycloptsError) -> str:
    text = " ".join(str(error).split())
    return f"{text} Try --help."


def _failed(error: Exception) -> int:
    code = exit_of(error)
    if code is not None:
        complain(str(error) or type(error).__name__)
        return code
    import traceback

    print(redact("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    complain(f"this is a defect of ours ({type(error).__name__}). Please report it with the lines above")
    return Exit.DEFECT


def main() -> None:
    """Console script. Whatever runs ends in good order on SIGTERM as on Ctrl-C."""
    # A shell that starts it in the background has it ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(execute())


if __name__ == "__main__":
    main()
