"""The command `onboard360`: parses, calls, prints; decides nothing.

This door knows only how to say what is missing: the command's own libraries come with the extra `cli`.
"""

import os
import sys

from onboard360_async import settings
from onboard360_async.cli.signals import INTERRUPTED, ended_at_once

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its code (0 to 8, 130, 143; DESIGN's list is in `exits`)."""
    try:
        with ended_at_once():
            from onboard360_async.cli.app import run
        code = run()
    except KeyboardInterrupt:  # before or behind what `run` sees
        _say("Interrupted.")
        code = INTERRUPTED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich", "platformdirs"):
            raise
        _say("The command needs some more packages: pip install 'onboard360-async[cli]'")
        sys.exit(2)
    sys.exit(code)


def _say(text: str) -> None:
    if settings.COMPLETE_VARIABLE not in os.environ:  # nothing is said in the middle of a line that is being typed
        print(text, file=sys.stderr)
