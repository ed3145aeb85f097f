"""`campaigns list`, `clients list`, `clients add`."""

from pathlib import Path
from typing import Any, Final

import click

from onboard360_async.api import UNSET, AsyncOnboard360
from onboard360_async.checks import IS_ID, check_new_client, check_text
from onboard360_async.cli.flags import Access, access_flags, output_flags
from onboard360_async.cli.screen import on_screen
from onboard360_async.cli.show import row_of, show
from onboard360_async.cli.signals import run
from onboard360_async.cli.waiting import Waiting
from onboard360_async.models import NewClient

__all__ = ["campaigns", "clients"]

_CAMPAIGN: Final = ("id", "name", "created_at", "updated_at")
_CAMPAIGN_SPARE: Final = ("updated_at", "created_at")  # what gives way on a narrow terminal, in this order
_CAMPAIGN_PROSE: Final = ("name",)  # what is folded there
_CLIENT_SPARE: Final = ("campaign_id", "created_at", "phone", "company_name", "last_name", "first_name")
_CLIENT_PROSE: Final = ("first_name", "last_name", "company_name", "phone")
_CLIENT: Final = ("id", "campaign_id", "email", "first_name", "last_name", "company_name", "phone", "created_at")


async def _campaign_id(api: AsyncOnboard360, id_or_name: str) -> str:
    """A campaign's id as it is, a name by one look at the campaigns."""
    check_text("--campaign", id_or_name)
    return id_or_name if IS_ID(id_or_name) else (await api.find_campaign(id_or_name)).id


@click.group()
def campaigns() -> None:
    """Campaigns: list."""


@campaigns.command("list")
@access_flags
@output_flags
def list_campaigns(access: Access, form: str, output: Path | None) -> None:
    """All published campaigns."""

    async def work() -> None:
        async with access.open(on_event=Waiting()) as api:
            found = await api.list_campaigns()
        nothing = "No published campaign."
        with show(form, _CAMPAIGN, output, spare=_CAMPAIGN_SPARE, prose=_CAMPAIGN_PROSE, nothing=nothing) as rows:
            rows.write(map(row_of, found))

    run(work())


@click.group()
def clients() -> None:
    """Clients: list, add."""


@clients.command("list")
@click.option("--campaign", metavar="ID|NAME", help="Only the clients of this campaign.")
@access_flags
@output_flags
def list_clients(access: Access, campaign: str | None, form: str, output: Path | None) -> None:
    """All clients, or those of one campaign. Links are not in listings: the API says a link only once.

    JSON, JSON lines and CSV are written while they arrive; a table waits for all of them.
    """

    async def work() -> None:
        async with access.open(on_event=Waiting()) as api:
            campaign_id = UNSET if campaign is None else await _campaign_id(api, campaign)
            with show(form, _CLIENT, output, spare=_CLIENT_SPARE, prose=_CLIENT_PROSE, nothing="No client.") as rows:
                async for batch in api.iter_clients(campaign_id=campaign_id).batches():
                    rows.write(map(row_of, batch))

    run(work())


@clients.command("add")
@click.option("--campaign", metavar="ID|NAME", required=True, help="The campaign to add the client to.")
@click.option("--email", required=True, metavar="EMAIL", help="The client's email address.")
@click.option("--first-name", metavar="NAME", help="As all that follow, it may be left out.")
@click.option("--last-name", metavar="NAME", help="The client's last name.")
@click.option("--company-name", metavar="NAME", help="The client's company.")
@click.option("--phone", metavar="NUMBER", help="The client's phone number, in any form.")
@click.option("--dry-run", is_flag=True, help="Check everything, find the campaign, and send nothing.")
@access_flags
@output_flags
def add_client(access: Access, campaign: str, dry_run: bool, form: str, output: Path | None, **fields: Any) -> None:
    """Add one client, and show the onboarding link.

    The API says the link only this once: keep it. `onboard360 links find` knows those of imports and of webhooks.
    """

    async def work() -> None:
        check_text("--campaign", campaign)
        check_new_client(NewClient(campaign, **fields))
        async with access.open(on_event=Waiting()) as api:
            campaign_id = await _campaign_id(api, campaign)
            if dry_run:
                click.echo(f"Would add one client to campaign {campaign_id}; nothing was sent.", err=True)
                return
            await _add(api, campaign_id, fields, form, output)

    run(work())


async def _add(api: AsyncOnboard360, campaign_id: str, fields: dict[str, Any], form: str, output: Path | None) -> None:
    """Add them, when it is known that the answer can be written."""
    client = None
    try:
        with show(form, (*_CLIENT, "link"), output, prose=_CLIENT_PROSE) as rows:
            client = await api.add_client(campaign_id=campaign_id, **fields)
            rows.write([row_of(client)])
    except OSError:  # a full disk, a closed pipe
        if client is not None:
            click.echo(f"The client was added; the link is {on_screen(str(client.link))}", err=True)
        raise
