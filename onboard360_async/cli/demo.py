"""`onboard360 demo`: the sandbox, a shipped list of 250 people, the real client between them, and the webhooks back."""

import csv
import io
import math
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from importlib.resources import files
from pathlib import Path
from typing import Final

import click
from aiohttp import web

from onboard360_async.api import AsyncOnboard360
from onboard360_async.budget import Budget
from onboard360_async.cli.import_flags import Wishes
from onboard360_async.cli.running import run_import
from onboard360_async.cli.show import show
from onboard360_async.cli.signals import run
from onboard360_async.errors import ConfigurationError
from onboard360_async.importer import journal_beside
from onboard360_async.sandbox import Sandbox
from onboard360_async.transport.options import Event
from onboard360_async.webhooks import ClientCreated, Inbox, WebhookVerifier
from onboard360_async.webhooks import Event as Told
from onboard360_async.webhooks.aiohttp import handler

__all__ = ["demo"]

_CAMPAIGN: Final = "Client Onboarding Flow"
_INBOX: Final = "inbox.db"
_LINKS: Final = 5  # shown of all


class _Watch:
    """What the budget and the server did, by the client's own events."""

    def __init__(self) -> None:
        self.granted = self.refused = 0
        self.waited_s = 0.0

    def __call__(self, event: Event) -> None:
        if event.name == "granted":
            self.granted += 1
            self.waited_s += event.seconds or 0.0
        elif event.name == "answered" and event.status == 429:
            self.refused += 1


def _finite(context: click.Context, parameter: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter("it must be a number of seconds.", context, parameter)
    return value


@click.command()
@click.option(
    "--window",
    "window_s",
    type=click.FloatRange(min=0, min_open=True),
    callback=_finite,
    default=5.0,
    show_default=True,
    metavar="SECONDS",
    help="Seconds that the sandbox's minute lasts.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where list and results go (default: a new one).",
)
def demo(window_s: float, folder: Path | None) -> int:
    """Import 250 people into a sandbox on this machine, at the real pace of a shortened minute; get its webhooks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # piped, too, it must read in the order in which it happens
    return run(_show(_list_in(folder), window_s))


def _list_in(folder: Path | None) -> Path:
    """The list, in a folder that no demo has used. ConfigurationError if that cannot be."""
    try:
        if folder is None:
            folder = Path(tempfile.mkdtemp(prefix="onboard360-demo-"))
        folder.mkdir(parents=True, exist_ok=True)
        people = folder / "people.csv"
        for file in (people, journal_beside(people), folder / _INBOX):
            if file.exists():
                raise ConfigurationError(
                    f"The folder {folder} holds a {file.name} already, perhaps an earlier demo's; say another --folder."
                )
        shutil.copyfile(str(files("onboard360_async.cli") / "people.csv"), people)
    except OSError as error:
        raise ConfigurationError(f"Cannot write in the folder {folder}: {error.strerror}.") from None
    return people


async def _show(people: Path, window_s: float) -> int:
    watch = _Watch()
    told: list[Told] = []

    async def note(event: Told) -> None:
        told.append(event)

    inbox = Inbox(people.with_name(_INBOX), note)
    try:
        await inbox.counts()  # what cannot be used is told now, not to the sandbox, which would try for an hour
    except BaseException:
        inbox.close()
        raise
    async with Sandbox(window_s=window_s) as sandbox, _receiving(sandbox, inbox):
        click.secho(f"The sandbox plays 360Onboard at {sandbox.url}", bold=True)
        click.echo(f"Its minute lasts {window_s:g} s here: 100 requests in any {window_s:g} s, as 100 in 60 s.\n")
        click.secho(f"onboard360 import {people} --campaign '{_CAMPAIGN}' --skip-invalid --yes", bold=True)
        budget = Budget(window_s=window_s)
        async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget, on_event=watch) as api:
            job = api.open_import(people, campaign=_CAMPAIGN, skip_invalid=True)
            code = await run_import(api, job, Wishes(file=str(people), yes=True))
            _show_links(people.with_name("people.results.csv"))
            click.secho("\nonboard360 clients list", bold=True)
            count = 0
            async for batch in api.iter_clients().batches():
                count += len(batch)
            click.echo(f"{count} clients streamed back, {len(sandbox.clients())} are in the sandbox.")
        await sandbox.delivered()
        await inbox.work()  # a service has it done by `async with inbox.running()`
        _show_webhooks(len(sandbox.deliveries), told, people.with_name(_INBOX))
        click.secho("\nThe budget", bold=True)
        click.echo(
            f"{watch.granted} requests granted, {watch.waited_s / watch.granted:.2f} s waited for each on average;"
            f" at most {_busiest(sandbox, window_s)} in any {window_s:g} s.\n"
            f"429s = {watch.refused} (the sandbox counts {sandbox.refused}).\n"
        )
        click.echo(f"Look at {people.with_name('people.results.csv')}: every row, with its link.")
    return code


@asynccontextmanager
async def _receiving(sandbox: Sandbox, inbox: Inbox) -> AsyncIterator[None]:
    """A service of one route that verifies and stores what the sandbox sends, on a free port of this machine."""
    runner = web.AppRunner(app := web.Application())
    with closing(inbox), socket.create_server(("127.0.0.1", 0)) as listener:
        try:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/webhooks"
            webhook = sandbox.add_webhook(url, retries="none")
            app.router.add_post("/webhooks", handler(WebhookVerifier(webhook.secret), inbox.receive))
            await runner.setup()
            await web.SockSite(runner, listener).start()
            yield
        finally:
            await runner.cleanup()


def _show_webhooks(sent: int, told: Sequence[Told], inbox: Path) -> None:
    """How many came, and one of them as a handler gets it."""
    click.secho("\nThe webhooks", bold=True)
    click.echo(f"{sent} were sent; {len(told)} were received, verified, stored in {inbox} and handled. The first one:")
    if told and isinstance(told[0], ClientCreated):
        click.echo(f"{told[0].name}  {told[0].data.email}  {told[0].data.link}")


def _busiest(sandbox: Sandbox, window_s: float) -> int:
    """The most requests that the sandbox saw in any stretch as long as its minute."""
    times = [request.at for request in sandbox.requests]
    return max(sum(start <= at < start + window_s for at in times) for start in times)


def _show_links(results: Path) -> None:
    """The first few of those who were created, as their links stand in the results."""
    with results.open(encoding="utf-8-sig", newline="") as text:
        created = [row for row in csv.DictReader(text) if row["link"]]
    click.secho(f"\nThe first {_LINKS} of {len(created)} onboarding links", bold=True)
    with show("table", ("name", "company", "link"), None, spare=("company", "name"), prose=("name",)) as rows:
        rows.write(
            {"name": f"{row['First name']} {row['Last name']}".strip(), "company": row["Company"], "link": row["link"]}
            for row in created[:_LINKS]
        )
