"""`onboard360 request`: any other call of the API, inside the same budget and judged as the others are.

Knows no call by name: what is sent was typed, and what comes back is shown as it came.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import parse_qsl

import click
from yarl import URL

from onboard360_async import settings
from onboard360_async.checks import check_request
from onboard360_async.cli.flags import Access, access_flags, output_flags
from onboard360_async.cli.screen import json_for, on_screen
from onboard360_async.cli.show import Rows, written_to
from onboard360_async.cli.signals import run
from onboard360_async.cli.waiting import Waiting
from onboard360_async.errors import ApiError, ConfigurationError, ValidationError
from onboard360_async.transport.access import check_base_url
from onboard360_async.transport.options import Event

__all__ = ["request"]

_METHODS: Final = ("GET", "POST")
_STDIN: Final = "-"
_FILE: Final = "@"


class _Statuses(Waiting):
    """An `on_event` that says how each attempt was answered, too."""

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if event.name == "answered":
            click.echo(f"{event.status} after {event.seconds or 0.0:.2f} s", err=True)


@click.command()
@click.argument(
    "method",
    metavar="GET|POST",
    type=click.Choice(_METHODS, case_sensitive=False),
    shell_complete=lambda _context, _parameter, typed: [each for each in _METHODS if each.startswith(typed.upper())],
)
@click.argument("path")
@click.option("--param", "pairs", multiple=True, metavar="NAME=VALUE", help="Of the query; again for each.")
@click.option(
    "--data",
    metavar="JSON|@FILE|-",
    help="The body of a POST: JSON, a file of it, or stdin; the last two keep people out of your shell's history.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, show what would be sent, and send nothing.")
@click.option("--status", is_flag=True, help="Say on stderr each answer's status and time, and why it refuses.")
@access_flags
@partial(output_flags, default="json")
def request(
    access: Access,
    method: str,
    path: str,
    pairs: tuple[str, ...],
    data: str | None,
    dry_run: bool,
    status: bool,
    form: str,
    output: Path | None,
) -> None:
    """Make any other call of the API, inside the budget of all others.

    PATH is below the base URL, as in `/clients` or `clients?campaign_id=...`; no other host is ever asked. A GET is
    asked again where that is safe. A POST is really sent, and never a second time by itself: to add a
    client, `onboard360 clients add` is the safe way, which checks it first.

    JSON is the whole answer. The other forms take its list, as in `{"clients": [...]}`, or the one object in it, and
    what stands beside that is named on stderr. Further pages are not followed; `onboard360 clients list` does that.
    """
    method = method.upper()
    path, params = _target(path, pairs)
    check_request(method, path)
    body = None if data is None else _body(method, data, access)

    async def work() -> None:
        async with access.open(on_event=_Statuses() if status else Waiting()) as api:
            if dry_run:
                _rehearse(access, method, path, params, body)
                return
            with written_to(output) as out:  # opened first: what a POST is answered may be said only once
                try:
                    answer = await api.request(method, path, params=params, json=body)
                except ApiError as error:
                    if status and error.details:  # whoever asks is shown it: it may name people
                        click.echo(on_screen(f"The service says: {error.details}"), err=True)
                    raise
                _show(answer, form, out)

    run(work())


# --- what is sent ---


def _target(typed: str, pairs: Sequence[str]) -> tuple[str, dict[str, str]]:
    """The path below the base URL, and the query. ValidationError for another host, or a name twice."""
    path, _, query = typed.partition("?")
    if "://" in path or path.startswith("//"):
        raise ValidationError(
            "PATH is below the base URL, such as /clients; where the service is, --base-url says alone.", "path"
        )
    if "#" in query:
        raise ValidationError("A # in a query is written %23, or as --param NAME=VALUE.", "path")
    path = path if path.startswith("/") else f"/{path}"
    if path.startswith(f"{settings.API_PATH}/"):
        path = path.removeprefix(settings.API_PATH)
    params: dict[str, str] = {}
    for name, value in (*parse_qsl(query, keep_blank_values=True), *map(_pair, pairs)):
        if name in params:
            raise ValidationError(f"The parameter {name!r} is there twice.", "params")
        params[name] = value
    return path, params


def _pair(typed: str) -> tuple[str, str]:
    name, sign, value = typed.partition("=")
    if not name or not sign:
        raise click.BadParameter(f"{typed!r} is not NAME=VALUE", param_hint="--param")
    return name, value


def _body(method: str, data: str, access: Access) -> object:
    """The JSON that was typed, or that a file or stdin holds. What is wrong with it is told without showing it."""
    if method == "GET":
        raise click.UsageError("A GET has no body; --param NAME=VALUE is its query.")
    try:
        value = json.loads(_text(data, access))
        json.dumps(value, allow_nan=False)
    except json.JSONDecodeError as error:
        raise ValidationError(f"--data is not JSON ({error.msg} at character {error.pos}).", "data") from None
    except (ValueError, RecursionError):
        raise ValidationError("--data is not JSON (a number without end, or nested too deeply).", "data") from None
    if value is None:
        raise ValidationError("--data holds no body but null; leave it out to send none.", "data")
    return value


def _text(data: str, access: Access) -> str:
    if data != _STDIN and not data.startswith(_FILE):
        return data
    if data == _STDIN == access.api_key_file:
        raise ConfigurationError("The body and the key cannot both come from stdin; say another --api-key-file.")
    try:
        if data != _STDIN:
            return Path(data.removeprefix(_FILE)).read_text(encoding="utf-8-sig")
        if sys.stdin.isatty():
            click.echo("Reading the body from this terminal; end it with Ctrl-D, twice if need be.", err=True)
        return sys.stdin.read().removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        where = "stdin" if data == _STDIN else data.removeprefix(_FILE)
        raise ConfigurationError(f"Cannot read the body from {where}: {reason}.") from None


def _rehearse(access: Access, method: str, path: str, params: Mapping[str, str], body: object) -> None:
    """What would be sent and where to. The key is never shown, and of a body, which may hold people, its length."""
    url = URL(f"{check_base_url(access.base_url, allow_insecure=False)}{path}", encoded=True)
    click.echo(on_screen(f"{method} {url.with_query(params) if params else url}"))
    size = 0 if body is None else len(json.dumps(body, separators=(",", ":")))
    click.echo(f"Would be sent with {f'a body of {size:,} bytes' if size else 'no body'}; nothing was sent.", err=True)


# --- what comes back ---


def _show(answer: object, form: str, out: TextIO) -> None:
    if form == "json":
        text = json_for(out, answer, indent=1)
        out.write(("\n".join(map(on_screen, text.split("\n"))) if out.isatty() else text) + "\n")
        return
    rows, beside = _rows_of(answer)
    if rows:
        table = Rows(form, tuple(dict.fromkeys(name for row in rows for name in row)), out)
        table.write(rows if form == "jsonl" else [{name: _cell(value) for name, value in row.items()} for row in rows])
        table.close()
    else:
        click.echo("The answer holds no rows.", err=True)
    if beside:
        click.echo(on_screen(f"Not shown: {', '.join(beside)} (--format json shows all of it)."), err=True)


def _rows_of(answer: object) -> tuple[list[dict[str, object]], list[str]]:
    """The answer in rows, whatever it is, and the names of what is left out.

    The list if it is one; of an object its only list of objects, else its only member if that is an object, else
    itself. Nothing is refused here: it was sent, and its answer may be said only once.
    """
    if answer is None:
        return [], []
    if isinstance(answer, dict):
        lists = [name for name, value in answer.items() if _is_list_of_objects(value)]
        if len(lists) == 1:
            return answer[lists[0]], [name for name in answer if name != lists[0]]
        (only, *more) = answer.values() or (None,)
        return [only if isinstance(only, dict) and not more else answer], []
    items = answer if isinstance(answer, list) else [answer]
    return [item if isinstance(item, dict) else {"value": item} for item in items], []


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _cell(value: object) -> object:
    """Text and nothing as they are, all else as JSON writes it."""
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
