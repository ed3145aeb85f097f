"""The command `onboard360`: parses, calls, prints; decides nothing.

This door knows only how to say what is missing: the command's own libraries come with the extra `cli`.
"""

import sys

from onboard360_async.cli.signals import ended_at_once

__all__ = ["main"]


def main() -> None:
    """Run the command and exit with its code (0 to 8, 130, 143; DESIGN's list is in `exits`)."""
    try:
        with ended_at_once():
            from onboard360_async.cli.app import run
        code = run()
    except KeyboardInterrupt:  # before or behind what `run` sees
        print("Interrupted.", file=sys.stderr)
        code = 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("click", "rich", "platformdirs"):
            raise
        print("The command needs some more packages: pip install 'onboard360-async[cli]'", file=sys.stderr)
        sys.exit(2)
    sys.exit(code)
