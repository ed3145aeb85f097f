"""Key and base URL: what cannot work is refused before anything is sent, and no message shows the key."""

import asyncio
from collections.abc import Generator

import pytest

from onboard360_async.errors import ConfigurationError
from onboard360_async.transport.access import ApiKey, check_base_url


@pytest.mark.parametrize(
    "given",
    [
        "https://app.360onboard.com",
        "https://app.360onboard.com/",
        "https://app.360onboard.com/api/v1",
        "https://app.360onboard.com/api/v1/",
        " https://app.360onboard.com/api/v1 ",
    ],
)
def test_the_base_url_is_taken_with_or_without_its_path(given: str) -> None:
    """However it is written, it is the page's base URL."""
    assert str(check_base_url(given, allow_insecure=False)) == "https://app.360onboard.com/api/v1"


def test_without_a_base_url_it_is_the_environments_then_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit argument wins over the environment, which wins over the default."""
    assert str(check_base_url(None, allow_insecure=False)) == "https://app.360onboard.com/api/v1"
    monkeypatch.setenv("ONBOARD360_BASE_URL", "https://other.example")
    assert str(check_base_url(None, allow_insecure=False)) == "https://other.example/api/v1"
    assert str(check_base_url("https://third.example/x", allow_insecure=False)) == "https://third.example/x/api/v1"


@pytest.mark.parametrize("host", ["127.0.0.1:8360", "localhost", "[::1]:80", "a.localhost"])
def test_plain_http_is_for_this_machine(host: str) -> None:
    """The sandbox needs no TLS."""
    assert check_base_url(f"http://{host}", allow_insecure=False).scheme == "http"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("http://app.360onboard.com", "plain http"),
        ("http://10.0.0.1", "plain http"),
        ("ftp://app.360onboard.com", "must look like"),
        ("app.360onboard.com", "must look like"),
        ("", "must look like"),
        ("https://", "must look like"),
        ("https://app.360onboard.com:99999", "not a URL"),
        ("https://app.360onboard.com:0", "must look like"),
        ("https://me:secret@app.360onboard.com", "user or password"),
        ("https://app.360onboard.com/?a=b", "without"),
        ("https://app.360onboard.com/#a", "without"),
    ],
)
def test_a_base_url_that_cannot_work_is_refused(given: str, message: str) -> None:
    """One sentence says what is wrong with it."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        check_base_url(given, allow_insecure=False)
    assert "secret" not in str(caught.value)


def test_plain_http_elsewhere_is_the_users_own_decision() -> None:
    """allow_insecure=True means it."""
    assert check_base_url("http://10.0.0.1", allow_insecure=True).host == "10.0.0.1"


async def test_a_key_is_text_from_the_argument_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument wins, the environment follows, and without either the error names the variable."""
    monkeypatch.setenv("ONBOARD360_API_KEY", " sk_test_2 \n")
    assert await ApiKey("sk_test_1").get() == "sk_test_1"
    assert await ApiKey(None).get() == ApiKey(None).now() == "sk_test_2"
    monkeypatch.delenv("ONBOARD360_API_KEY")
    with pytest.raises(ConfigurationError, match="ONBOARD360_API_KEY"):
        ApiKey(None)


async def test_a_key_may_come_from_a_callable_of_either_kind() -> None:
    """Keys that rotate are asked for anew; an async one cannot be had without waiting."""
    keys = iter(["sk_test_1", "sk_test_2"])

    async def ask() -> str:
        return "sk_test_3"

    plain = ApiKey(lambda: next(keys))
    assert (plain.now(), await plain.get()) == ("sk_test_1", "sk_test_2")
    asked = ApiKey(ask)
    assert (asked.now(), await asked.get()) == (None, "sk_test_3")


def test_a_key_that_is_still_to_come_is_not_waited_for() -> None:
    """Whatever can be awaited is asynchronous, a coroutine or not; it is asked again when a request needs it."""

    class Later:
        def __await__(self) -> Generator[None, None, str]:
            yield
            return "sk_test_1"

    key = ApiKey(Later)
    assert key.now() is None
    assert asyncio.run(key.get()) == "sk_test_1"


@pytest.mark.parametrize("key", ["sk test", "sk\ntest", "sk_tést", "sk_\x00", "", "  ", b"sk_test"])
async def test_a_key_that_cannot_be_one_is_refused_and_never_shown(key: object) -> None:
    """Neither the message nor the repr shows it, whether it was given or came from a callable."""
    with pytest.raises(ConfigurationError) as caught:
        ApiKey(key)  # type: ignore[arg-type]  # a wrong type is part of the test
    with pytest.raises(ConfigurationError):
        await ApiKey(lambda: key).get()  # type: ignore[arg-type]  # as above
    assert "test" not in str(caught.value).replace("-m onboard360_async.sandbox", "")


def test_the_repr_of_a_key_hides_it() -> None:
    """A key never stands in a log by way of its repr."""
    assert repr(ApiKey("sk_test_1")) == "<hidden>"
