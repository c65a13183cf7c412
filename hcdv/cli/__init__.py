"""The command line: one module a command."""

from __future__ import annotations

from hcdv.cli._demo import demo
from hcdv.cli._forget import forget
from hcdv.cli._group import main
from hcdv.cli._history import history
from hcdv.cli._payout import payout
from hcdv.cli._report import report
from hcdv.cli._update import update
from hcdv.cli._value import value
from hcdv.cli._watch import watch

for _command in (demo, value, payout, update, forget, watch, history, report):
    main.add_command(_command)

__all__ = ["main"]
