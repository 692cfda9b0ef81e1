"""What all commands share: exit statuses, errors without tracebacks, output to the right stream, logging."""

import functools
import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import structlog
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from podhand.core.errors import (
    ConfigError,
    DeviceError,
    LimitError,
    MotionFault,
    PerceptionError,
    PodhandError,
    RecordingError,
    StoppedByOperator,
)

P = ParamSpec("P")
R = TypeVar("R")

console = Console(stderr=True, highlight=False)
"""For people: standard error, so that standard output belongs to ``--json -`` alone."""
output = Console(highlight=False)
"""Standard output, for commands whose result is a text."""


class ExitCode(IntEnum):
    """Exit statuses of podhand."""

    DONE = 0
    """The job ran to its end, whatever the outcomes were."""
    FAILED = 1
    """The job could not run to its end."""
    BAD_INPUT = 2
    """Bad arguments, configuration or input."""
    FAULT = 3
    """A device or safety fault ended it."""
    INTERRUPTED = 130
    """Ctrl-C, after a controlled stop."""


class LogLevel(StrEnum):
    """How much is logged to standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_BAD_INPUT = (ConfigError, LimitError, PerceptionError, RecordingError)
_FAULT = (DeviceError, MotionFault)


def configure_logging(level: LogLevel) -> None:
    """Log to standard error from ``level`` on."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=console.is_terminal),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.name)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    _debug.enabled = level is LogLevel.DEBUG


class _Debug:
    enabled = False


_debug = _Debug()


def exit_code_of(error: BaseException) -> ExitCode:
    """Return the exit status that an exception stands for."""
    if isinstance(error, KeyboardInterrupt | StoppedByOperator):
        return ExitCode.INTERRUPTED
    if isinstance(error, _FAULT):
        return ExitCode.FAULT
    return ExitCode.BAD_INPUT if isinstance(error, _BAD_INPUT) else ExitCode.FAILED


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn exceptions of a command into one message and an exit status; tracebacks only with ``--log-level debug``."""

    @functools.wraps(command)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (typer.Exit, typer.TyperException):
            raise
        except (KeyboardInterrupt, StoppedByOperator) as error:
            console.print("[yellow]Stopped by Ctrl-C.[/] The arm stands still.")
            raise typer.Exit(ExitCode.INTERRUPTED) from error
        except Exception as error:
            _report(error)
            raise typer.Exit(exit_code_of(error)) from error

    return guarded


def given_options(context: typer.Context) -> frozenset[str]:
    """Return the names of the parameters that were given; the others have their defaults."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return frozenset(name for name, source in sources.items() if source is not None and source.name != "DEFAULT")


def write_json(document: Mapping[str, Any], target: str | None) -> None:
    """Write a JSON document to a file, to standard output for ``-``, nowhere for None.

    Raises:
        ConfigError: the file cannot be written.
    """
    if target is None:
        return
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {target}: cannot be written ({error.strerror}); give another file or -") from error


def check_json_target(target: str | None) -> None:
    """Find out before the work, not after it, that ``--json`` cannot be written. Raises ConfigError."""
    if target not in (None, "-") and Path(str(target)).is_dir():
        raise ConfigError(f"--json {target}: is a folder; give a file or - for standard output")


@contextmanager
def progress(label: str, total: int, *, done: int = 0) -> Iterator[Callable[..., None]]:
    """Show a progress bar on a terminal, nothing in a pipe.

    Yields the function that advances it by one and, behind rate and remaining time, shows the words it may be given.
    """
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn(), _Pace(),
               TimeRemainingColumn(), TextColumn("{task.fields[note]}"))  # fmt: skip
    # Episodes differ: the pace of the last ten minutes says best when it ends.
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal,
                   speed_estimate_period=600.0)  # fmt: skip
    with bar:
        task = bar.add_task(label, total=total, completed=done, note="")
        yield lambda note="": bar.update(task, advance=1, note=note)


class _Pace(ProgressColumn):
    """How many an hour of wall time."""

    def render(self, task: Task) -> Text:
        return Text(f"{3600 * task.speed:.0f} an hour" if task.speed else "")


def _report(error: Exception) -> None:
    if _debug.enabled:
        console.print_exception()
        return
    kind = "" if isinstance(error, PodhandError) else f"{type(error).__name__}: "
    console.print(f"[bold red]podhand:[/] {escape(kind + str(error))}", soft_wrap=True)
    if not isinstance(error, PodhandError):
        console.print("This is a mistake in podhand. [dim]Run again with --log-level debug to see where.[/]")
