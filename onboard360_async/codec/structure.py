"""Decoded values to models: one strict converter of cattrs, and the path of what is wrong.

Knows no JSON and no answer. What the API page does not name is kept in `extra` and never breaks a call; what it names
and is not what it says is a DecodeError with the path of the bad value, never the value itself.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import evolve

from onboard360_async.codec import building
from onboard360_async.codec.times import utc_time
from onboard360_async.errors import DecodeError
from onboard360_async.models import Campaign, Client

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["add_clients", "campaigns_of", "client_of", "exact", "kind_of"]

Model = TypeVar("Model", Campaign, Client)


def _text(value: object, _: object) -> str:
    # cattrs' own hook would turn `null` into "None" without a word.
    if type(value) is not str:
        raise TypeError(f"expected text, found {kind_of(value)}")
    return value


def _time(value: object, _: object) -> datetime:
    if type(value) is not str:
        raise TypeError(f"expected a time as text, found {kind_of(value)}")
    return utc_time(value)


def kind_of(value: object) -> str:
    """What a decoded value is, in words; never the value itself."""
    names = {dict: "an object", list: "a list", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _keeping_extra(model: type[Model], converter: "Converter") -> Callable[[object, object], Model]:
    """Structure `model`, and put what the API page does not name into its `extra`."""
    from cattrs.gen import make_dict_structure_fn, override

    known = building.names_of(model)
    structure = make_dict_structure_fn(model, converter, extra=override(omit=True))

    def hook(value: object, _: object) -> Model:
        if type(value) is not dict:
            raise TypeError(f"expected an object, found {kind_of(value)}")
        built = structure(value, model)
        return built if value.keys() <= known else evolve(built, extra=building.extra_of(value, known))

    return hook


@cache
def exact() -> "Converter":
    """The converter that decides, and names the path; it is slow, and asked only when the quick way has refused.

    It is made then, and cattrs imported: for most programs never.
    """
    from cattrs import Converter

    converter = Converter(detailed_validation=True)
    converter.register_structure_hook(str, _text)
    converter.register_structure_hook(datetime, _time)
    converter.register_structure_hook(Campaign, _keeping_extra(Campaign, converter))
    converter.register_structure_hook(Client, _keeping_extra(Client, converter))
    return converter


def campaigns_of(value: list[Any], path: str) -> list[Campaign]:
    """The campaigns of a decoded list; DecodeError with the path of what is wrong in it."""
    try:
        return building.build_campaigns(value)
    except Exception:  # noqa: BLE001, S110 - the exact converter says it again, with its path and no value
        pass
    return list(_exactly(value, list[Campaign], path))


def client_of(value: object, path: str) -> Client:
    """The client of a decoded value; DecodeError as above."""
    clients: list[Client] = []
    try:
        building.build((value,), clients, {})
    except Exception:  # noqa: BLE001 - as above
        clients = []
    if not clients:
        clients.append(_exactly(value, Client, path))
    return clients[0]


def add_clients(items: list[Any], into: list[Client], first: int, shared: dict[str, str]) -> bool:
    """Append the clients of items of a listing; DecodeError names the first that is none, those before are appended.

    Whether any of them has something in `extra`. `first` is the place in the listing of the first item; `shared` is
    what `build` keeps between two calls.
    """
    before, has_extra = len(into), False
    while (done := len(into) - before) < len(items):
        with suppress(Exception):  # as above
            has_extra |= building.build(islice(items, done, None), into, shared)
            continue
        has_extra = True  # perhaps: of those before it nothing was told
        number = len(into) - before
        into.append(_exactly(items[number], Client, f"$.clients[{first + number}]"))
    return has_extra


def _exactly(value: object, model: Any, path: str) -> Any:
    try:
        return exact().structure(value, model)
    except Exception as error:  # noqa: BLE001 - cattrs raises groups and plain errors alike
        fault = _fault(error, value, model, path)
    raise fault


def _explain(error: BaseException, _: object = None) -> str:
    # Never cattrs' own words: they may show the value, which may be a person's.
    if isinstance(error, KeyError):
        return "required, and not there"
    return str(error) if isinstance(error, TypeError | ValueError) else type(error).__name__


def _fault(error: Exception, value: object, model: Any, path: str) -> DecodeError:
    if model is Client and type(value) is dict and "created_at" not in value:
        return DecodeError("required, and not there", f"{path}.created_at")  # the one that models lets look optional
    from cattrs import transform_error

    faults = transform_error(error, path, _explain)
    message, _, where = faults[0].rpartition(" @ ")
    if len(faults) > 1:
        message += f" (and {len(faults) - 1} more in the same answer)"
    return DecodeError(message, where)
