"""`onboard360 doctor`: two GETs and, if there is one, a captured webhook, told as a report and kept as a preset.

Decides nothing of what is seen: that is `onboard360_async.doctor`'s.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from onboard360_async import settings
from onboard360_async.cli.exits import Exit
from onboard360_async.cli.flags import Access, access_flags, output_flags
from onboard360_async.cli.screen import say
from onboard360_async.cli.show import show, written_to
from onboard360_async.cli.signals import run
from onboard360_async.cli.stores import without_password
from onboard360_async.cli.waiting import Waiting
from onboard360_async.cli.webhook_flags import SECRET_FILE, read_body, secrets_of
from onboard360_async.doctor.examine import Place, examine
from onboard360_async.doctor.findings import Finding, Verdict, so_many
from onboard360_async.doctor.report import Report, report_on
from onboard360_async.doctor.seen import Seen
from onboard360_async.doctor.signed import Webhook, look_into
from onboard360_async.errors import AuthenticationError, ConfigurationError

__all__ = ["doctor"]

_COLUMNS: Final = ("kind", "about", "verdict", "seen", "why", "next")
_TABLE: Final = ("about", "verdict", "seen", "why")
_PROSE: Final = ("seen", "why")


@click.command()
@click.option(
    "--clients",
    "most",
    type=click.IntRange(1, settings.DOCTOR_MOST_CLIENTS),
    default=settings.DOCTOR_CLIENTS,
    show_default=True,
    metavar="NUMBER",
    help="How many clients of the listing are looked at; the rest is not read.",
)
@click.option(
    "--webhook",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE|-",
    help="A webhook's body as it came, byte for byte.",
)
@click.option("--signature", metavar="VALUE", help=f"The value of its header {settings.SIGNATURE_HEADER}.")
@click.option("--event", metavar="NAME", help=f"The value of its header {settings.EVENT_HEADER}, if you have it.")
@SECRET_FILE
@click.option(
    "--save",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.json",
    help="Write what was seen as a preset: `onboard360 sandbox --preset FILE.json` behaves so.",
)
@access_flags
@output_flags
def doctor(
    access: Access,
    most: int,
    webhook: Path | None,
    signature: str | None,
    event: str | None,
    secret_file: Path | None,
    save: Path | None,
    form: str,
    output: Path | None,
) -> int:
    """What the service is like where the API page says nothing, and whether all is set up.

    Sends GET /campaigns and GET /clients, each once and through the budget, and never a POST. Says of key, clock,
    budget and signature whether they are right, and of each thing that is assumed whether it was observed,
    contradicted, or is unknown still: what nobody saw is not claimed. Nothing of a person, and no key, is in it.

    Exit code 0 if nothing is wrong (unknown is not wrong), 1 if something is contradicted or failed, 2 without a key
    or a budget, 4 if the key is refused.
    """
    store = access.store()
    _check_save(save)
    captured = _captured(webhook, signature, event, secret_file, access)
    key = access.key()
    key = os.environ.get(settings.API_KEY_VARIABLE, "") if key is None else key
    place = Place(key, access.base_url, store, without_password(store))
    seen = run(examine(place, most=most, webhook=captured, on_event=Waiting()))
    report = report_on(seen)
    with show(form, _TABLE if form == "table" else _COLUMNS, output, prose=_PROSE) as rows:
        rows.write(map(_row if form == "table" else _record, report.findings))
    say(_summary(report, seen))
    if save is not None:
        say([_saved(save, report)])
    return _exit(report, seen)


def _captured(
    file: Path | None, signature: str | None, event: str | None, secret_file: Path | None, access: Access
) -> Webhook | None:
    if file is None:
        if (signature, event, secret_file) != (None, None, None):
            raise click.UsageError("--signature, --event and --secret-file are about a webhook: say --webhook FILE.")
        return None
    if signature is None:
        raise click.UsageError(f"--webhook needs --signature, the value of its header {settings.SIGNATURE_HEADER}.")
    if access.api_key_file == "-" and "-" in (str(file), str(secret_file)):
        raise ConfigurationError("Only one of key, body and secret can come from stdin.")
    body = read_body(file, secret_file, settings.WEBHOOK_MAX_BODY_BYTES + 1)
    return look_into(body, signature, event, secrets_of(secret_file))


# --- how it is said ---


def _record(finding: Finding) -> dict[str, object]:
    return {
        "kind": str(finding.kind),
        "about": finding.about,
        "verdict": str(finding.verdict),
        "seen": finding.seen,
        "why": finding.why,
        "next": finding.next,
    }


def _row(finding: Finding) -> dict[str, object]:
    """As a person reads it: what would tell, or is to be done, stands behind the reason."""
    why = finding.why
    if finding.next:
        lead = "Do" if finding.verdict.is_wrong or finding.verdict is Verdict.WARNING else "Would tell"
        why = f"{why}. {lead}: {finding.next}"
    return _record(finding) | {"why": why}


def _summary(report: Report, seen: Seen) -> Iterator[str]:
    counts = report.counts()
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    yield f"{said}. Sent: {so_many(seen.budget.spent, 'request')}."
    for finding in report.wrong:
        yield f"Wrong: {finding.about} ({finding.verdict})"


def _exit(report: Report, seen: Seen) -> Exit:
    if seen.key.fault or seen.budget.fault:
        return Exit.USAGE
    if any(answer.error is AuthenticationError for answer in seen.answers):
        return Exit.NOT_AUTHENTICATED
    return Exit.ERROR if report.wrong else Exit.DONE


# --- the preset ---


def _check_save(path: Path | None) -> None:
    """Before anything is sent."""
    if path is None:
        return
    if path.suffix != ".json":
        raise click.BadParameter("its name must end in .json: by that the sandbox knows a file", param_hint="--save")
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"Cannot write {path}: there is no such folder.")


def _saved(path: Path, report: Report) -> str:
    """Write the preset, whole or not at all."""
    preset = report.preset()
    names = preset.keys() - {"version"}
    if not names:
        return "No preset was written: no switch was observed."
    with written_to(path) as out:
        out.write(json.dumps(preset, indent=1) + "\n")
    return f"Preset: {path} ({so_many(len(names), 'switch', 'switches')} observed, the others are as documented)"
