"""The command line: options → ``Config`` → one call → render → exit. Nothing is decided here.

Commands of one kind stand in a module; they share ``options`` and ``streams``.
"""

from __future__ import annotations

import errno
import os
import sys
import warnings
from contextlib import suppress

import click

from dataaudit import __version__
from dataaudit.cli.caching import cache_commands
from dataaudit.cli.checking import check, index
from dataaudit.cli.judging import audit, scan, selftest
from dataaudit.cli.planning import apply, split
from dataaudit.cli.ruling import explain, rules
from dataaudit.cli.streams import one_line
from dataaudit.engines.memory import share_one_heap
from dataaudit.errors import CacheWarning, DataAuditError


class Commands(click.Group):
    """Turns our errors into messages and exit codes."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command; an error a user can act on is one message on stderr and its exit code."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("always", CacheWarning)
                warnings.showwarning = warn  # type: ignore[assignment]  # it takes any further argument
                return super().invoke(ctx)
        except DataAuditError as error:
            click.echo(f"dataaudit: {error.slug}: {one_line(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except BrokenPipeError:
            raise
        except OSError as error:
            if error.filename is not None or error.errno not in {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG}:
                raise
            click.echo(f"dataaudit: the output could not be written ({error.strerror}); make room, or write elsewhere.", err=True)
            leave_unwritten()
            ctx.exit(3)
        except KeyboardInterrupt as interrupt:
            click.echo(" ".join(["dataaudit: interrupted.", *getattr(interrupt, "__notes__", ())]), err=True)
            ctx.exit(130)


def leave_unwritten() -> None:
    """Forget what is left in the buffer of stdout: Python would try to write it at the end, and fail again."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Show a warning on stderr: one line each."""
    name = "cache" if issubclass(category, CacheWarning) else category.__name__
    click.echo(f"dataaudit: {name}: {one_line(str(message))}", err=True)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dataaudit")
def main() -> None:
    """Audit an image-classification dataset before training, and emit the correction."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # finding that there is none takes longer than Config does
    share_one_heap()


for _command in (audit, scan, selftest, split, apply, check, index, cache_commands, explain, rules):
    main.add_command(_command)
