"""The errors: one tree, drawn as it is, that pickles whole and shows nobody's data."""

import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from onboard360_async import errors


def tree(root: type[errors.Onboard360Error]) -> list[type[errors.Onboard360Error]]:
    found = [root]
    for child in root.__subclasses__():
        found += [each for each in tree(child) if each not in found]
    return found


ALL = tree(errors.Onboard360Error)


def example(kind: type[errors.Onboard360Error]) -> errors.Onboard360Error:
    values: dict[str, Any] = {"status": 418, "http_status": 418, "retry_after_s": 2.5, "items": 7, "created": True}
    values |= {"candidates": ("a", "b")}
    named = [
        name for name, each in inspect.signature(kind).parameters.items() if each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    error = kind(**{name: values.get(name, f"<{name}>") for name in named})
    assert set(named) <= vars(error).keys()
    error.attempts, error.done = 3, "Something was done."
    return error


@pytest.mark.parametrize("kind", ALL)
def test_every_error_pickles_and_copies_whole(kind: type[errors.Onboard360Error]) -> None:
    """With all fields, those set later included."""
    error = example(kind)
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is kind
        assert vars(twin) == vars(error)
        assert str(twin) == str(error)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_says_what_was_done_and_shows_nobody(kind: type[errors.Onboard360Error]) -> None:
    """`details` and `body_snippet` may hold people: neither str nor repr shows them."""
    error = example(kind)
    assert str(error).endswith("Something was done.")
    assert not {"<details>", "<body_snippet>"} & set(re.findall(r"<\w+>", f"{error} {error!r}"))


@pytest.mark.parametrize("kind", ALL)
def test_every_error_shows_its_fields(kind: type[errors.Onboard360Error]) -> None:
    """A repr names every field that may be shown, with its value."""
    error = example(kind)
    for name, value in vars(error).items():
        assert (f"{name}={value!r}" in repr(error)) != (name in ("details", "body_snippet", "candidates"))


@pytest.mark.parametrize("kind", ALL[1:])  # the root is made of nothing
def test_every_error_is_matched_by_what_it_is_made_of(kind: type[errors.Onboard360Error]) -> None:
    """`case ApiError(404)` means its first argument."""
    assert kind.__match_args__ == tuple(inspect.signature(kind).parameters)
    match errors.NotFoundError(404, "nobody"):
        case errors.ApiError(404, reason):
            assert reason == "nobody"
        case _:
            pytest.fail("not matched")


class TheirError(Exception):
    """An error of a user's program, made of something of its own."""

    def __init__(self, code: int) -> None:
        super().__init__(code)


class NotSentByThemError(errors.NotSentError, TheirError):
    """One of ours and of theirs."""


class TooLateError(errors.DeadlineError, errors.BudgetExhaustedError):  # type: ignore[misc]  # one may not know it
    """Two of ours."""


def test_an_error_of_yours_may_be_one_of_ours_as_well() -> None:
    """Whatever else it inherits from, and whatever that is made of."""
    error = NotSentByThemError("m", "GET", "/")
    assert (error.message, error.method, error.args) == ("m", "GET", ("m", "GET", "/"))
    late = TooLateError("m", 2.0)
    assert (late.message, late.retry_after_s, late.args) == ("m", 2.0, ("m", 2.0))


def test_what_others_attach_to_an_error_is_not_shown() -> None:
    """A tool that keeps what it had in hand with the error does not have it printed by us."""
    error = errors.NotSentError("m")
    error.client = "somebody"  # type: ignore[attr-defined]  # a tool's
    assert repr(error) == "NotSentError(message='m', method='', path='')"


def test_all_end_in_error_and_are_public() -> None:
    """The names a user types are the names there are."""
    names = {kind.__name__ for kind in ALL}
    assert names == set(errors.__all__)
    assert all(name.endswith("Error") for name in names)


def test_the_tree_is_drawn_as_it_is() -> None:
    """The drawing at the top of the module shows each error below its parent."""
    parents: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        drawn = re.match(r"([│├└─\s]*)(\w+Error)\b", line)
        if drawn is None:
            continue
        depth, name = len(drawn[1]), drawn[2]
        while parents and parents[-1][0] >= depth:
            parents.pop()
        if parents:
            kind = getattr(errors, name)
            assert parents[-1][1] in [parent.__name__ for parent in kind.__mro__[1:]], name
        parents.append((depth, name))
    drawn_names = set(re.findall(r"^[│├└─\s]*(\w+Error)\b", errors.__doc__ or "", re.MULTILINE))
    assert drawn_names == {kind.__name__ for kind in ALL}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errors.OutcomeUnknownError("POST /clients was sent, but not answered."), "find_client"),
        (errors.ServerOutcomeUnknownError(500, method="POST", path="/clients"), "find_client"),
        (errors.AuthenticationError(401, method="GET", path="/clients"), "API key"),
        (errors.NotFoundError(404, method="GET", path="/clients"), "base URL"),
        (errors.ApiError(302, "it redirects to https://b", method="GET", path="/clients"), "https://b"),
        (errors.RateLimitError(429, method="GET", path="/clients"), "try again later"),
        (errors.ServerError(503, method="GET", path="/clients"), "try again later"),
        (errors.BudgetExhaustedError(12.3), "12.3 s"),
        (errors.SyncInAsyncError(), "AsyncOnboard360"),
    ],
)
def test_the_message_says_what_to_do_next(error: errors.Onboard360Error, says: str) -> None:
    """An error is read by somebody who wants to go on."""
    assert says in str(error)
