"""What the golden files show: the world that each case begins in, and the commands that are typed in it."""

from pathlib import Path
from typing import Final

from attrs import field, frozen

from onboard360_async.sandbox.faults import FaultOptions
from onboard360_async.webhooks.factories import SECRET, client_created, flow_created
from tests.cli.hooks import inbox_of

__all__ = ["BOTH", "CASES", "CLIENTS", "Case", "settle_in"]

BOTH: Final = (80, 140)  # columns
_FLOW: Final = "Client Onboarding Flow"
CLIENTS: Final = {
    "campaigns": ["王小明欧阳" * 6, "Line\nbreak \x1b[2J", "Twin", "Twin", "Nobody yet"],
    "clients": [
        {
            "campaign": _FLOW,
            "email": "john@example.com",
            "first_name": "John",
            "last_name": "Doe",
            "phone": "+1 555 01",
        },
        {
            "campaign": _FLOW,
            "email": "wang@example.cn",
            "first_name": "小明",
            "company_name": "北京字节跳动科技有限公司",
        },
        {"campaign": _FLOW, "email": "rtl@example.com", "first_name": "محمد", "last_name": "\u202eevil"},
        {
            "campaign": _FLOW,
            "email": "long@example.com",
            "first_name": "New\nline",
            "company_name": "GmbH & Co KG " * 9,
        },
        {"campaign": "Nobody yet", "email": f"{'a' * 60}@example.com", "last_name": "Zoë 👩‍💻"},
    ],
}  # in the order in which ids are given
_PEOPLE: Final = """email,First name,Company,Shoe size
anna@example.com,Anna,Ä GmbH,38
bob@example.com,Bob,"Two
lines",40
BOB@example.com,Bob,Again,40
john@example.com,John,Acme,41
"""
_BAD: Final = "email,First name\nnot-an-email,Anna\n,Bob\ngood@example.com,王\n"
_IMPORT: Final = f"import people.csv --yes --campaign|{_FLOW}|"
_BODY: Final = client_created(timestamp="2024-01-15T09:00:00Z")
_SIGNED: Final = f"body.json --secret-file secret --signature {dict(_BODY.headers)['X-360onboard-Signature']}"
_REFUSED: Final = f"body.json --secret-file secret --signature sha256={'0' * 64}"


@frozen
class Case:
    """A command, its words apart by blanks (or `|` where a word has some); `before`: others that make its world."""

    words: str
    before: tuple[str, ...] = ()
    widths: tuple[int, ...] = BOTH
    typed: str = ""
    fault: str = ""
    of: FaultOptions = field(factory=lambda: FaultOptions())  # what fails; all, if it does not say
    key: bool = True


def settle_in() -> None:
    """The files of the current folder."""
    Path("people.csv").write_text(_PEOPLE, encoding="utf-8")
    Path("bad.csv").write_text(_BAD, encoding="utf-8")
    Path("lost.csv").write_text("email\nlost@example.com\nkept@example.com\n", encoding="utf-8")
    Path("secret").write_text(f"{SECRET}\n", encoding="utf-8")
    Path("body.json").write_bytes(_BODY.body)
    others = (
        client_created(client_id="2", email="王小明@example.cn", timestamp="2024-01-15T09:00:01Z"),
        flow_created(timestamp="2024-01-15T09:00:02Z"),
    )
    inbox_of(Path("onboard360-inbox.db"), _BODY, *others)


_ONE: Final = (80,)  # for programs: the width is nothing to them
_NOBODY: Final[FaultOptions] = {"method": "POST", "email": "lost@example.com"}
_LOST: Final = (f"import lost.csv --campaign|{_FLOW}|--yes --on-ambiguous hold --settle 0.01",)
CASES: Final = {
    "campaigns-list": Case("campaigns list"),
    "campaigns-list-json": Case("campaigns list --format json", widths=_ONE),
    "campaigns-list-jsonl": Case("campaigns list --format jsonl", widths=_ONE),
    "campaigns-list-csv": Case("campaigns list --format csv", widths=_ONE),
    "campaigns-list-output": Case("campaigns list --output out.txt", widths=_ONE),
    "campaigns-list-unwritable": Case("campaigns list --output none/out.txt", widths=_ONE),
    "clients-list": Case("clients list"),
    "clients-list-campaign": Case(f"clients list --campaign|{_FLOW}"),
    "clients-list-nobody": Case("clients list --campaign Twin --format csv", widths=_ONE),
    "clients-list-empty": Case("clients list --campaign 00000000-0000-4000-8000-000000000003", widths=_ONE),
    "clients-list-unknown": Case("clients list --campaign Twyn"),
    "clients-list-jsonl": Case("clients list --format jsonl", widths=_ONE),
    "clients-list-csv": Case("clients list --format csv", widths=_ONE),
    "clients-add": Case(f"clients add --email new@example.com --first-name 王 --campaign|{_FLOW}"),
    "clients-add-json": Case(f"clients add --email new@example.com --format json --campaign|{_FLOW}", widths=_ONE),
    "clients-add-dry-run": Case(f"clients add --email new@example.com --dry-run --campaign|{_FLOW}"),
    "clients-add-bad-email": Case(f"clients add --email new.example.com --campaign|{_FLOW}"),
    "clients-add-lost": Case(
        f"clients add --email new@example.com --campaign|{_FLOW}", fault="commit-then-drop", of={"method": "POST"}
    ),
    "clients-add-nothing": Case("clients add"),
    "request": Case("request GET /campaigns"),
    "request-table": Case("request GET /clients --format table"),
    "request-dry-run": Case('request POST /clients --data|{"email": "new@example.com"}|--dry-run'),
    "request-typed": Case("request POST /clients --data - --dry-run", typed='{"email": "new@example.com"}\n\x04'),
    "request-elsewhere": Case("request GET https://example.com/api/v1/clients"),
    "request-unknown": Case("request GET /nothing"),
    "doctor": Case(f"doctor --webhook {_SIGNED}"),
    "doctor-json": Case("doctor --format json", widths=_ONE),
    "doctor-refused": Case("doctor --api-key-file secret --budget memory"),
    "help-topics": Case("help"),
    "help-a-guide": Case("help exit-codes"),
    "help-of-both": Case("help budget"),
    "help-nothing": Case("help exit-code"),
    "completion": Case("completion fish", widths=_ONE),
    "no-such-command": Case("impor"),
    "no-such-format": Case("clients list --format xml"),
    "no-key": Case("campaigns list", key=False),
    "no-key-file": Case("campaigns list --api-key-file none", key=False),
    "wrong-key": Case("campaigns list --api-key-file secret --budget memory"),
    "server-error": Case("campaigns list", fault="500-before"),
    "import": Case(_IMPORT),
    "import-asks": Case(f"import people.csv --campaign|{_FLOW}", typed="n\n"),
    "import-dry-run": Case(f"import people.csv --dry-run --campaign|{_FLOW}"),
    "import-bad": Case(f"import bad.csv --yes --campaign|{_FLOW}"),
    "import-bad-skipped": Case(f"import bad.csv --yes --skip-invalid --campaign|{_FLOW}"),
    "import-again": Case(_IMPORT, before=(_IMPORT,)),
    "import-limit": Case(f"{_IMPORT} --limit 1"),
    "import-lost": Case(_LOST[0], fault="drop-before", of=_NOBODY),
    "import-no-file": Case(f"import none.csv --campaign|{_FLOW}"),
    "imports-list": Case("imports list", before=(_IMPORT, f"{_IMPORT} --journal other.onboard360.db --limit 1")),
    "imports-list-json": Case("imports list --format json", before=(_IMPORT,), widths=_ONE),
    "imports-list-empty": Case("imports list", widths=_ONE),
    "imports-list-nowhere": Case("imports list none"),
    "imports-show": Case("imports show people.csv", before=(_IMPORT,)),
    "imports-show-lost": Case("imports show lost.csv", before=_LOST, fault="drop-before", of=_NOBODY),
    "imports-show-json": Case(
        "imports show lost.csv --format json", before=_LOST, fault="drop-before", of=_NOBODY, widths=_ONE
    ),
    "imports-show-jsonl": Case("imports show people.csv --format jsonl", before=(_IMPORT,), widths=_ONE),
    "imports-show-csv": Case("imports show people.csv --format csv", before=(_IMPORT,), widths=_ONE),
    "imports-show-nowhere": Case("imports show none.csv"),
    "imports-resume": Case("imports resume people.csv --yes", before=(f"{_IMPORT} --limit 1",)),
    "imports-reconcile": Case("imports reconcile people.csv", before=(_IMPORT,)),
    "imports-results": Case("imports results people.csv", before=(_IMPORT,)),
    "imports-results-table": Case("imports results people.csv --format table", before=(_IMPORT,)),
    "imports-results-json": Case("imports results people.csv --format json", before=(_IMPORT,), widths=_ONE),
    "imports-results-jsonl": Case("imports results people.csv --format jsonl --output -", (_IMPORT,), _ONE),
    "imports-results-csv": Case("imports results people.csv --output -", before=(_IMPORT,), widths=_ONE),
    "imports-resolve": Case(
        "imports resolve lost.csv --line 2 --created", before=_LOST, fault="drop-before", of=_NOBODY
    ),
    "imports-resolve-which": Case("imports resolve lost.csv", before=(_IMPORT,)),
    "imports-purge": Case("imports purge people.csv", before=(_IMPORT,), typed="n\n"),
    "imports-purge-open": Case("imports purge people.csv --yes", before=(f"{_IMPORT} --limit 1",)),
    "links-find": Case("links find anna@example.com", before=(_IMPORT,)),
    "links-find-json": Case("links find john@example.com --format json", before=(_IMPORT,), widths=_ONE),
    "links-find-nobody": Case("links find nobody@example.com"),
    "webhooks-list": Case("webhooks list"),
    "webhooks-list-csv": Case("webhooks list --format csv", widths=_ONE),
    "webhooks-list-nowhere": Case("webhooks list --inbox none.db"),
    "webhooks-list-empty": Case("webhooks list --dead", widths=_ONE),
    "webhooks-verify": Case(f"webhooks verify {_SIGNED}"),
    "webhooks-verify-json": Case(f"webhooks verify {_SIGNED} --format json", widths=_ONE),
    "webhooks-verify-refused": Case(f"webhooks verify {_REFUSED}"),
    "webhooks-sign": Case("webhooks sign body.json --secret-file secret"),
    "webhooks-sign-no-secret": Case("webhooks sign body.json"),
    "webhooks-diagnose": Case(f"webhooks diagnose {_SIGNED}"),
    "webhooks-diagnose-refused": Case(f"webhooks diagnose {_REFUSED}"),
    "webhooks-diagnose-json": Case(f"webhooks diagnose {_REFUSED} --format json", widths=_ONE),
    "webhooks-replay": Case("webhooks replay --since 2020-01-01"),
    "webhooks-replay-dry-run": Case("webhooks replay --since 2020-01-01 --dry-run"),
    "webhooks-replay-json": Case("webhooks replay --since 2020-01-01 --dry-run --format json", widths=_ONE),
    "webhooks-replay-refused": Case("webhooks replay --since 2020-01-01 --forward-to http://127.0.0.1:1/"),
    "webhooks-replay-which": Case("webhooks replay"),
    "budget": Case("budget"),
    "budget-json": Case("budget --format json", widths=_ONE),
    "budget-memory": Case("budget --budget memory"),
}
