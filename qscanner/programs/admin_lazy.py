"""A group of commands that loads only the one that is called: a list must not wait for the rest.

Called by  programs.admin, admin_policy, admin_quarantine: each names its commands in a table.
Ends       as click's groups do.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import click

_WHOLE = 1000  # characters of a sentence


class Lazy(click.Group):
    """A group whose commands are named: `lazy` gives for each "module:attribute"."""

    def __init__(self, *words: Any, lazy: Mapping[str, str], **more: Any) -> None:
        super().__init__(*words, **more)
        self._lazy = lazy

    def list_commands(self, context: click.Context) -> list[str]:
        """Give the names of all commands."""
        return sorted({*super().list_commands(context), *self._lazy})

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each, whole: click would cut it."""
        found = ((name, self.get_command(context, name)) for name in self.list_commands(context))
        rows = [(name, each.get_short_help_str(_WHOLE)) for name, each in found if each]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Give the command of this name, loaded now; None where there is none."""
        place = self._lazy.get(name)
        if place is None:
            return super().get_command(context, name)
        module, _, attribute = place.partition(":")
        found: click.Command = getattr(importlib.import_module(module), attribute)
        return found
