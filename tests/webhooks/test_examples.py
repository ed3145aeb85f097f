"""The guide's examples: each is pasted, served, and sent one genuine webhook and one forged."""

import importlib.util
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from onboard360_async import settings
from onboard360_async.webhooks.factories import SECRET, client_created
from tests.webhooks import hosts
from tests.webhooks.frameworks import configure_django
from tests.webhooks.wire import post

GUIDE = (Path(settings.__file__).parent / "guides" / "webhooks.md").read_text()
SECTION = GUIDE.partition("\n## Receive them\n")[2].partition("\n## ")[0]
EXAMPLES = dict(re.findall(r"^### ([^\n]+)\n\n```python\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL))
WRONG = [(settings.SIGNATURE_HEADER, "sha256=" + "0" * 64)]


@contextmanager
def on_a_loop(server: Any) -> Iterator[int]:
    """The port of a server that needs a loop."""
    with hosts.loop_in_a_thread() as run:
        port = run(server.__aenter__())
        try:
            yield port
        finally:
            run(server.__aexit__(None, None, None))


@contextmanager
def django(pasted: ModuleType) -> Iterator[int]:
    """The port of a site with these URLs."""
    configure_django()
    from django.core.wsgi import get_wsgi_application
    from django.test import override_settings

    with override_settings(ROOT_URLCONF=pasted), hosts.werkzeug_server(get_wsgi_application()) as port:
        yield port


SERVERS: dict[str, Callable[[ModuleType], Any]] = {
    "aiohttp.web": lambda pasted: on_a_loop(hosts.aiohttp_server(pasted.app)),
    "Starlette, or bare ASGI": lambda pasted: on_a_loop(hosts.uvicorn_server(pasted.app)),
    "FastAPI": lambda pasted: on_a_loop(hosts.uvicorn_server(pasted.app)),
    "Flask": lambda pasted: hosts.werkzeug_server(pasted.app),
    "Django": django,
}


def pasted(block: str, folder: Path) -> ModuleType:
    """The block as a module of its own."""
    path = folder / "pasted.py"
    path.write_text(block)
    spec = importlib.util.spec_from_file_location("pasted", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_framework_has_its_example() -> None:
    """One each, and no block in the section that nobody runs."""
    assert EXAMPLES.keys() == SERVERS.keys()
    assert SECTION.count("```python") == len(SERVERS)


def test_the_limit_in_the_guide_is_the_one_that_holds() -> None:
    """It is written for people there, and once for the program."""
    assert f"`max_body_bytes`, which is {settings.WEBHOOK_MAX_BODY_BYTES // 1024} KiB" in SECTION


@pytest.mark.parametrize("name", SERVERS)
def test_an_example_is_short(name: str) -> None:
    """At most ten lines of code."""
    assert len([line for line in EXAMPLES[name].splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("name", SERVERS)
def test_an_example_receives_what_is_genuine_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A genuine webhook is answered 200 and printed, a forged one 401 and not."""
    monkeypatch.setenv(settings.WEBHOOK_SECRET_VARIABLE, SECRET)
    event = client_created(first_name="Zoë")
    with SERVERS[name](pasted(EXAMPLES[name], tmp_path)) as port:
        assert post(port, "/webhooks", event.body, WRONG).status == 401
        assert capsys.readouterr().out == ""
        assert post(port, "/webhooks", event.body).status == 200
        assert capsys.readouterr().out == f"client.created {event.id}\n"
