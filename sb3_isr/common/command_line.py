"""What commands have in common: exit statuses, and messages in place of tracebacks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec


def run_command(name: str, command: Callable[[], int], modules: Sequence[str], extra: str) -> int:
    """
    Run a command, and report what goes wrong.

    :param name: What the user typed, ``sb3-isr demo``.
    :param command: The command.
    :param modules: Modules that it needs.
    :param extra: The extra of sb3-isr that installs them.
    :return: Exit status: the command's own, 1 if something is not installed, 2 if an argument is wrong (the command
        raised ValueError), 130 if it was interrupted.
    """
    if missing := [module for module in modules if find_spec(module) is None]:
        print(f"{name} needs {' and '.join(missing)}: pip install 'sb3-isr[{extra}]'", file=sys.stderr)
        return 1
    try:
        return command()
    except ValueError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; what was finished before is unchanged.", file=sys.stderr)
        return 130
