"""What a wheel must do in the environment that it was just installed into: `python -I smoke.py EXTRA...`.

Runs on that environment's Python, in an empty folder, with every warning an error. Knows the package's public names and
what each extra promises, present and absent; nothing of how it came there.
"""

import asyncio
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Mapping
from pathlib import Path

import onboard360_async
from onboard360_async import AsyncOnboard360, Onboard360, errors
from onboard360_async.sandbox import Sandbox
from onboard360_async.webhooks import ClientCreated, WebhookVerifier
from onboard360_async.webhooks.factories import SECRET, client_created

CAMPAIGN = "Client Onboarding Flow"
# What may be missing, and the modules that may then be missing with it. The last two come with no extra of ours.
NEEDS = {
    "cli": ({"click", "platformdirs", "rich"}, "onboard360_async.cli."),
    "otel": ({"opentelemetry"}, "onboard360_async.otel"),
    "pytest": ({"pytest"}, "onboard360_async.testing"),
    "starlette": ({"starlette"}, "onboard360_async.webhooks.fastapi"),
}
BIN = Path(sys.executable).parent


def check(holds: object, said: object = "") -> None:
    """An assert that stays when Python is told to leave those out."""
    if not holds:
        raise AssertionError(said)


def refusal(extra: str, error: Exception) -> None:
    """What is missing is said, with the line that installs it."""
    check(f"pip install 'onboard360-async[{extra}]'" in str(error), error)


# --- with and without any extra ---


def imports(extras: set[str]) -> None:
    """Each module that these extras allow is imported; each other says what it lacks."""
    found = {each.name for each in pkgutil.walk_packages(onboard360_async.__path__, "onboard360_async.")}
    check(len(found) > 100, found)
    for name in sorted(found):
        try:
            importlib.import_module(name)
        except errors.ConfigurationError as error:
            check(name == NEEDS["otel"][1] and "otel" not in extras, name)
            refusal("otel", error)
        except ModuleNotFoundError as error:
            lacks = [
                extra
                for extra, (packages, room) in NEEDS.items()
                if extra not in extras and name.startswith(room) and (error.name or "").partition(".")[0] in packages
            ]
            check(lacks, f"{name}: {error}")


async def calls() -> None:
    """The asynchronous handle lists, adds and imports; the sandbox has seen it."""
    people = [{"email": "jane@example.com", "first_name": "Jane"}, {"email": "jim@example.com"}]
    async with Sandbox() as sandbox, AsyncOnboard360(sandbox.api_key, base_url=sandbox.url) as api:
        campaign = await api.find_campaign(CAMPAIGN)
        client = await api.add_client(campaign_id=campaign.id, email="john@example.com", first_name="John")
        check(client.link and client.link.startswith(sandbox.url), client)
        async with api.open_import(people, campaign=CAMPAIGN) as job:
            outcomes = [outcome async for outcome in job.run()]
        check(len(outcomes) == 2, job.summary)
        check(len([each async for each in api.iter_clients()]) == len(sandbox.clients()) == 3, sandbox.clients())


def blocking() -> None:
    """The blocking handle does the same from here."""
    with Sandbox() as sandbox, Onboard360(sandbox.api_key, base_url=sandbox.url) as api:
        campaign = api.find_campaign(CAMPAIGN)
        api.add_client(campaign_id=campaign.id, email="john@example.com")
        check([each.email for each in api.iter_clients()] == ["john@example.com"])


def served() -> None:
    """`python -m onboard360_async.sandbox` serves those who have its key, and ends as it is told to."""
    command = [sys.executable, "-I", "-W", "error", "-m", "onboard360_async.sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        lines = [str(process.stdout and process.stdout.readline()) for _ in range(5)]
        told = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export "))
        key, url = told["ONBOARD360_API_KEY"], told["ONBOARD360_BASE_URL"]
        with Onboard360(key, base_url=url) as api:
            check(api.find_campaign(CAMPAIGN).id, url)
        with urllib.request.urlopen(f"{url}/") as page:
            check(b"sandbox" in page.read().lower(), url)
        process.send_signal(signal.SIGTERM)
        check(process.communicate(timeout=20) == ("", "") and process.returncode == 0, process.returncode)


def webhook() -> None:
    """One is verified and read; with a letter changed it is refused."""
    example = client_created(email="jane@example.com")
    event = WebhookVerifier(SECRET).verify(example.body, example.headers)
    check(isinstance(event, ClientCreated) and event.data.email == "jane@example.com", event)
    try:
        WebhookVerifier(SECRET).verify(example.body.replace(b"jane", b"jame"), example.headers)
    except errors.WebhookError:
        return
    check(False, "a forgery was believed")


def guides() -> None:
    """The guides, the types' mark and what the sandbox shows came along."""
    package = Path(onboard360_async.__path__[0])
    check((package / "py.typed").exists())
    check(len(list((package / "guides").glob("*.md"))) >= 5)
    check(json.loads((package / "sandbox" / "openapi.json").read_text(encoding="utf-8"))["openapi"])


# --- what each extra promises, and what is said without it ---


def cli(*, there: bool) -> None:
    """The command tells of itself, completes if it says so, imports a file; or it says what to install."""
    command = [str(BIN / "onboard360")]

    def run(*arguments: str, code: int = 0, more: Mapping[str, str] = {}) -> str:
        env = {**os.environ, "PYTHONWARNINGS": "error", "XDG_STATE_HOME": str(Path.cwd() / "state"), **more}
        done = subprocess.run([*command, *arguments], env=env, capture_output=True, text=True, check=False)
        check(done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout if code == 0 else done.stderr

    if not there:
        refusal("cli", RuntimeError(run("--help", code=2)))
        return
    check(onboard360_async.__version__ in run("--version"))
    told = run("--help")
    check("import" in told)
    words = {"COMP_WORDS": "onboard360 imp", "COMP_CWORD": "1", "_ONBOARD360_COMPLETE": "bash_complete"}
    check("completion" not in told or "import" in run(more=words))  # a shell may ask exactly if it was told so
    Path("people.csv").write_text("email,first_name\nada@example.com,Ada\n", encoding="utf-8")
    with Sandbox() as sandbox:
        here = {"ONBOARD360_API_KEY": sandbox.api_key, "ONBOARD360_BASE_URL": sandbox.url}
        run("import", "people.csv", "--campaign", CAMPAIGN, "--yes", more=here)
        check(len(sandbox.clients()) == 1, sandbox.clients())
    check("ada@example.com" in Path("people.results.csv").read_text(encoding="utf-8-sig"))


def speed(*, there: bool) -> None:
    """JSON is read by orjson exactly if it is installed: nobody else imports it here."""
    importlib.import_module("onboard360_async.codec.parser")
    check(("orjson" in sys.modules) == there, sorted(sys.modules))


async def redis(*, there: bool) -> None:
    """A Redis that is not there is an error of the budget's store, with nothing sent."""
    async with Sandbox() as sandbox:
        try:
            budget = "redis://127.0.0.1:1/0"
            async with AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, budget=budget) as api:
                await api.find_campaign(CAMPAIGN)
        except errors.BudgetStoreError:
            check(there and not sandbox.requests)
        except errors.ConfigurationError as error:
            check(not there, error)
            refusal("redis", error)
        else:
            check(False, "a Redis that is not there was believed")


async def xlsx(*, there: bool) -> None:
    """A workbook is imported."""
    file = workbook(Path("people.xlsx"), [["email", "first_name"], ["grace@example.com", "Grace"]])
    async with Sandbox() as sandbox, AsyncOnboard360(sandbox.api_key, base_url=sandbox.url) as api:
        try:
            async with api.open_import(file, campaign=CAMPAIGN) as job:
                check(len([outcome async for outcome in job.run()]) == 1, job.summary)
        except errors.ConfigurationError as error:
            check(not there, error)
            refusal("xlsx", error)
        else:
            check(there and [each["email"] for each in sandbox.clients()] == ["grace@example.com"])


def workbook(path: Path, rows: list[list[str]]) -> Path:
    """The fewest parts that a spreadsheet needs."""
    office, main = "http://schemas.openxmlformats.org/officeDocument/2006/relationships", "spreadsheetml/2006/main"
    package, sheet = "http://schemas.openxmlformats.org/package/2006", "application/vnd.openxmlformats-officedocument"
    kinds = {"/xl/workbook.xml": "sheet.main", "/xl/worksheets/sheet1.xml": "worksheet"}
    types = "".join(
        f'<Override PartName="{part}" ContentType="{sheet}.spreadsheetml.{kind}+xml"/>' for part, kind in kinds.items()
    )
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{text}</t></is></c>' for text in row) + "</row>" for row in rows
    )
    xmlns = f'xmlns="http://schemas.openxmlformats.org/{main}"'
    with zipfile.ZipFile(path, "w") as book:
        rels = '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        book.writestr("[Content_Types].xml", f'<Types xmlns="{package}/content-types">{rels}{types}</Types>')
        for place, kind, target in (
            ("_rels/.rels", "officeDocument", "xl/workbook.xml"),
            ("xl/_rels/workbook.xml.rels", "worksheet", "worksheets/sheet1.xml"),
        ):
            link = f'<Relationship Id="rId1" Type="{office}/{kind}" Target="{target}"/>'
            book.writestr(place, f'<Relationships xmlns="{package}/relationships">{link}</Relationships>')
        named = '<sheets><sheet name="People" sheetId="1" r:id="rId1"/></sheets>'
        book.writestr("xl/workbook.xml", f'<workbook {xmlns} xmlns:r="{office}">{named}</workbook>')
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {xmlns}><sheetData>{cells}</sheetData></worksheet>")
    return path


async def otel(*, there: bool) -> None:
    """A call begins spans, at whatever provider is given."""
    if not there:
        return  # what is said then, `imports` has looked at
    from opentelemetry import trace

    from onboard360_async.otel import Telemetry

    began: list[str] = []

    class Tracer(trace.NoOpTracer):
        def start_span(self, name: str, *_: object, **__: object) -> trace.Span:
            began.append(name)
            return trace.INVALID_SPAN

    class Provider(trace.TracerProvider):
        def get_tracer(self, *_: object, **__: object) -> trace.Tracer:
            return Tracer()

    telemetry = Telemetry(tracer_provider=Provider())
    async with Sandbox() as sandbox, AsyncOnboard360(sandbox.api_key, base_url=sandbox.url, on_event=telemetry) as api:
        await api.find_campaign(CAMPAIGN)
    check(began == ["onboard360 GET /campaigns", "GET"], began)


def main(extras: set[str]) -> None:
    """All of it; what fails is a traceback."""
    imports(extras)
    guides()
    webhook()
    asyncio.run(calls())
    blocking()
    served()
    cli(there="cli" in extras)
    speed(there="speed" in extras)
    asyncio.run(redis(there="redis" in extras))
    asyncio.run(xlsx(there="xlsx" in extras))
    asyncio.run(otel(there="otel" in extras))


if __name__ == "__main__":
    main(set(sys.argv[1:]))
