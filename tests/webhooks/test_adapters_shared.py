"""What all adapters share: they are thin, they import no framework, and they take whatever receives."""

import asyncio
import functools
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from asgiref.sync import iscoroutinefunction

from onboard360_async.errors import PayloadError
from onboard360_async.webhooks import Event, answers, bodies, django, router
from onboard360_async.webhooks.factories import client_created
from onboard360_async.webhooks.router import Handler
from tests.webhooks.frameworks import MOST, Desk, configure_django

ROOM = Path(bodies.__file__).parent
ADAPTERS = ("aiohttp", "asgi", "fastapi", "wsgi", "django")
FRAMEWORKS = ("aiohttp", "starlette", "fastapi", "flask", "werkzeug", "django", "asgiref")


@pytest.fixture
def desk() -> Desk:
    return Desk()


# --- the files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_is_thin(name: str) -> None:
    """Under 60 lines in all."""
    assert (ROOM / f"{name}.py").read_text().count("\n") < 60


def test_no_adapter_imports_its_framework() -> None:
    """Not before it is used, so that nothing needs to be installed; nor does the room itself."""
    names = ["", *(f".{name}" for name in ADAPTERS)]
    imports = "\n".join(f"import onboard360_async.webhooks{name}" for name in names)
    source = f"import sys\n{imports}\nprint([name for name in {FRAMEWORKS} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=15, check=True)
    assert done.stdout.strip() == "[]"


# --- who receives -------------------------------------------------------------------------------------------------


async def received(event: Event) -> None:
    """An async function."""


def taken(event: Event) -> None:
    """A plain one."""


RECEIVES: list[tuple[Handler, bool]] = [
    (received, True),
    (Desk().receive, True),
    (Desk().router, True),
    (functools.partial(received), True),
    (asyncio.Queue[Event]().put, True),
    (taken, False),
    (Desk().plain, False),
    (functools.partial(taken), False),
    (lambda event: received(event), False),
]


@pytest.mark.parametrize(("receive", "is_async"), RECEIVES)
def test_a_view_of_django_is_async_if_its_receiver_is(desk: Desk, receive: Handler, is_async: bool) -> None:
    """So that neither a loop is blocked nor one is started for nothing."""
    configure_django()
    assert iscoroutinefunction(django.view(desk.verifier, receive)) is is_async


@pytest.mark.parametrize("receive", [each for each, _ in RECEIVES])
async def test_whatever_receives_is_run_to_its_end(receive: Handler) -> None:
    """On a loop and without one, and on the thread of a loop by a blocking app, as an async test calls it."""
    await router.call(receive, client_created(), plain=not router.is_async(receive))
    answers.call_blocking(receive, client_created())
    await asyncio.to_thread(answers.call_blocking, receive, client_created())


async def test_a_plain_function_runs_in_a_thread() -> None:
    """It runs in a thread, where it does not stop the loop."""
    threads: list[int] = []
    await router.call(lambda event: threads.append(threading.get_ident()), client_created(), plain=True)
    assert threads != [threading.get_ident()]


async def test_an_error_comes_out_of_every_thread() -> None:
    """Also from a loop that was started for one event."""
    desk = Desk()
    desk.error = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        answers.call_blocking(desk.receive, client_created())


# --- the head -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "declared"), [(None, None), ("", None), ("0", 0), ("0007", 7), (str(MOST), MOST)])
def test_a_length_that_is_declared(length: str | None, declared: int | None) -> None:
    """As a number, where there is one."""
    assert bodies.check_before_reading("POST", None, length, most=MOST) == declared


@pytest.mark.parametrize("length", ["-1", "+1", "1_0", "1.0", "٣", "²", "9" * 5_000, " ", "0x1"])
def test_a_length_that_is_no_number(length: str) -> None:
    """400, and no failure at 5,000 digits, which Python makes no number of."""
    with pytest.raises(PayloadError) as caught:
        bodies.check_before_reading("POST", None, length, most=MOST)
    assert caught.value.http_status == 400


@pytest.mark.parametrize("encoding", [None, "", "identity", " Identity "])
def test_a_body_that_is_not_encoded(encoding: str | None) -> None:
    """However it says so."""
    bodies.check_before_reading("POST", encoding, None, most=MOST)
