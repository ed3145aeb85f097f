"""onboard360-async: the 360Onboard API from Python, inside its 100 requests a minute.

The door: a table of lazy names, so that a part of the package costs only what that part needs.
"""

from typing import TYPE_CHECKING

from onboard360_async.door import lazy

__version__ = "0.9.0"

__all__ = [
    "AsyncOnboard360",
    "Budget",
    "Campaign",
    "Client",
    "NewClient",
    "Onboard360",
    "Priority",
    "errors",
]

if TYPE_CHECKING:
    from onboard360_async import errors
    from onboard360_async.api import AsyncOnboard360
    from onboard360_async.budget import Budget, Priority
    from onboard360_async.models import Campaign, Client, NewClient
    from onboard360_async.sync import Onboard360
else:
    _ROOMS = {
        "AsyncOnboard360": "api",
        "Budget": "budget",
        "Campaign": "models",
        "Client": "models",
        "NewClient": "models",
        "Onboard360": "sync",
        "Priority": "budget",
    }

    __getattr__, __dir__ = lazy(globals(), _ROOMS)
