"""``hcdv`` itself: what goes wrong with the user's input is one sentence."""

from __future__ import annotations

import io
import sys
import warnings
from typing import Any

import click

import hcdv
from hcdv._errors import UtilityError, WorkersLost, said

# What the user's files, options and machine can make go wrong.
# An extra that is not installed is an ImportError that names it.
TROUBLE = (ValueError, TypeError, OSError, ImportError, UtilityError, WorkersLost)
# What shells say of a program that Ctrl-C has ended.
INTERRUPTED = 130


class _OneSentence(click.Group):
    """Turns what goes wrong with the user's input into one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except TROUBLE as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"hcdv: {sentence(error)}", err=True)
            ctx.exit(2)
        except MemoryError:
            click.echo("hcdv: not enough memory for this input; value a part of it.", err=True)
            ctx.exit(2)
        except KeyboardInterrupt as error:
            if ctx.params.get("debug"):
                raise
            click.echo(f"hcdv: interrupted{said(error)}.", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=_OneSentence, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(hcdv.__version__, prog_name="hcdv")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def main(debug: bool) -> None:
    """What is each training row worth?"""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a character of the data must not cost the result.
        sys.stdout.reconfigure(errors="replace")
    warnings.showwarning = _note


def _note(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo(f"hcdv: note: {message}", err=True)


def sentence(error: BaseException) -> str:
    """First line of an error, without the class name that means nothing to a user."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {(error.strerror or str(error)).lower()}."
    return str(error).split("\n", 1)[0] or type(error).__name__
