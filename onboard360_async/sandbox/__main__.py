"""`python -m onboard360_async.sandbox`: the sandbox at a prompt. Knows only its command."""

import sys

from onboard360_async.sandbox.command import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
