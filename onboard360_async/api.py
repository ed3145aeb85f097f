"""The asynchronous handle: campaigns, clients, add. The legs (codec, transport, importer) meet here.

Knows how a call is put together, not how one is sent. Source: API page, "API Endpoints".
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Final, Self, Unpack
from weakref import WeakValueDictionary

import aiohttp

from onboard360_async import importer, settings
from onboard360_async.budget import Budget, Priority
from onboard360_async.checks import IS_ID, check_email, check_new_client, check_request, check_text, pick_campaign
from onboard360_async.codec.answers import decode_campaigns, decode_client, decode_json, encode_client, encode_json
from onboard360_async.errors import ConfigurationError
from onboard360_async.hidden import hidden
from onboard360_async.listing import ClientListing
from onboard360_async.models import Campaign, Client, NewClient, email_key
from onboard360_async.transport.access import ApiKey, KeySource, check_base_url
from onboard360_async.transport.call import Call
from onboard360_async.transport.options import UNSET, Deadline, Event, Options, Request, Unset
from onboard360_async.transport.pool import Pool
from onboard360_async.transport.proxy import proxy_for
from onboard360_async.transport.transport import Transport

__all__ = ["UNSET", "AsyncOnboard360", "Unset"]

_LIST_CAMPAIGNS: Final = Request("GET", "/campaigns")


class AsyncOnboard360:
    """The 360Onboard API for one key: every call typed, and inside the account's 100 requests a minute.

    `api_key` and `base_url` are taken from ONBOARD360_API_KEY and ONBOARD360_BASE_URL if left out. `api_key` may be a
    callable, plain or async, for keys that rotate. A `session` that is passed in stays the caller's to close, and goes
    its own way; without one, https goes through the proxy of the environment (HTTPS_PROXY, NO_PROXY), and plain http
    through none, which would see the key.
    `timeout_s` is for each attempt, a number above 0 (of a listing: until its headers, then between two pieces).
    `deadline_s` is for a whole call: the key, the wait for the budget, all attempts and the waits between them, a
    listing to its last client. None is none, 0 has passed already; what passed raises DeadlineError, or
    OutcomeUnknownError if a POST had left. `max_wait_s` is for each wait for the budget: None is any, 0 none. In a
    call None means the handle's own, and `deadline_s=math.inf` none at all. Held by tests/transport/test_deadlines.py.
    `on_event` hears what happens: `transport.options.Event` says what; `otel.Telemetry` makes spans and metrics of it.
    Handles of one process with the same key and base URL share one budget, unless one is passed in.
    Raises ConfigurationError for what cannot work; nothing is sent before the first call.
    Source: API page, "Authentication" and "Base URL".
    """

    def __init__(
        self,
        api_key: KeySource | None = None,
        *,
        base_url: str | None = None,
        budget: Budget | str | None = None,
        timeout_s: float = settings.TIMEOUT_S,
        deadline_s: float | None = None,
        max_retries: int = settings.MAX_RETRIES,
        session: aiohttp.ClientSession | None = None,
        on_event: Callable[[Event], None] | None = None,
        page_size: int | None = None,
        allow_insecure: bool = False,
    ) -> None:
        api_key, base_url = hidden(api_key), hidden(base_url)
        self._options = Options(timeout_s=timeout_s, max_retries=max_retries, deadline_s=deadline_s)
        if page_size is not None and (type(page_size) is not int or page_size < 1):
            raise ConfigurationError("page_size must be a whole number of at least 1.")
        self._page_size = page_size
        self._owns_pool = True
        url = check_base_url(base_url, allow_insecure=allow_insecure)
        self._transport = Transport(
            ApiKey(api_key),
            url,
            Pool(session, None if session is not None else proxy_for(url)),
            budget=budget if budget is not None else os.environ.get(settings.BUDGET_VARIABLE) or None,
            on_event=on_event,
        )
        self._adding: WeakValueDictionary[tuple[int, str, str], asyncio.Lock] = WeakValueDictionary()

    def __repr__(self) -> str:
        transport = getattr(self, "_transport", None)  # None if it was refused while it was made
        base_url = "..." if transport is None else repr(str(transport.base_url))
        return f"{type(self).__name__}(api_key=<hidden>, base_url={base_url})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections; closing twice is fine. A copy from `with_options` leaves them to the original."""
        if self._owns_pool:
            await self._transport.pool.close()

    @property
    def budget(self) -> Budget:
        """The budget that this handle's requests are taken from.

        ConfigurationError if the key comes from an async callable and no budget was passed in.
        """
        return self._transport.budget_now()

    def with_options(
        self,
        *,
        timeout_s: float | Unset = UNSET,
        priority: Priority | Unset = UNSET,
        deadline_s: float | Unset | None = UNSET,
        max_wait_s: float | Unset | None = UNSET,
        api_key: KeySource | Unset = UNSET,
    ) -> Self:
        """A light copy with other defaults: it shares the connections, and the budget unless the key changes."""
        api_key = hidden(api_key)
        given = {"timeout_s": timeout_s, "priority": priority, "deadline_s": deadline_s, "max_wait_s": max_wait_s}
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        copy._options = self._options.but(**{name: value for name, value in given.items() if value is not UNSET})
        copy._owns_pool = False
        if not isinstance(api_key, Unset):
            copy._transport = self._transport.with_key(ApiKey(api_key))
        return copy

    # --- campaigns ---

    async def list_campaigns(
        self,
        *,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> list[Campaign]:
        """All published campaigns. Source: API page, "List Campaigns"."""
        call = Call(self._transport, _LIST_CAMPAIGNS, self._with(priority, deadline_s, max_wait_s))
        return await call.read(decode_campaigns, "$.campaigns[]")

    async def find_campaign(
        self,
        id_or_name: str,
        *,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> Campaign:
        """The one campaign with this id, or this name (capitals do not matter if no name is exactly so).

        ValidationError, with the candidates, if there is none or more than one.
        """
        check_text("id_or_name", id_or_name)
        campaigns = await self.list_campaigns(priority=priority, deadline_s=deadline_s, max_wait_s=max_wait_s)
        return pick_campaign(id_or_name, campaigns)

    # --- clients ---

    def iter_clients(
        self,
        *,
        campaign_id: str | Unset = UNSET,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> ClientListing:
        """Everybody, or everybody in one campaign, as they arrive: `async for client in api.iter_clients()`.

        Constant memory at any length; `.batches()` gives lists. Links are not in listings, so `link` is None.
        An answer that goes on on a further page is followed, and that page fetched while you read this one. Leaving the
        loop early closes the connections. What goes wrong is raised after the clients that did arrive: AnswerLostError
        of an answer that breaks off, DecodeError with the path of what is not as the API page shows it
        (`$.clients[3].phone`), PaginationError of a further page that must not or cannot be followed. What the page
        does not name is kept in `extra`, and told of once, by the event `drift`.
        Source: API page, "List Clients".
        """
        params = {} if isinstance(campaign_id, Unset) else {"campaign_id": check_text("campaign_id", campaign_id)}
        if self._page_size is not None:
            params["limit"] = str(self._page_size)  # UNDOCUMENTED: a hint that a server may ignore (tests/test_api.py)
        request = Request("GET", "/clients", params)
        return ClientListing(self._transport, request, self._with(priority, deadline_s, max_wait_s))

    async def list_clients(
        self,
        *,
        campaign_id: str | Unset = UNSET,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> list[Client]:
        """Everybody, or everybody in one campaign, as one list. Errors as for `iter_clients`."""
        listing = self.iter_clients(
            campaign_id=campaign_id, priority=priority, deadline_s=deadline_s, max_wait_s=max_wait_s
        )
        return [client async for batch in listing.batches() for client in batch]

    async def find_client(
        self,
        *,
        campaign_id: str,
        email: str,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> Client | None:
        """The first client of a campaign with this email (capitals do not matter), or None: by one streamed listing."""
        email = hidden(email)
        check_email(email)
        wanted = hidden(email_key(email))
        listing = self.iter_clients(
            campaign_id=campaign_id, priority=priority, deadline_s=deadline_s, max_wait_s=max_wait_s
        )
        async with aclosing(listing.batches()) as batches:
            async for batch in batches:
                for client in batch:
                    if email_key(client.email) == wanted:
                        return client
        return None

    async def add_client(
        self,
        *,
        campaign_id: str,
        email: str,
        first_name: str | None = None,
        last_name: str | None = None,
        company_name: str | None = None,
        phone: str | None = None,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> Client:
        """Add a client to a campaign; `client.link` is the onboarding link, which the API says only here.

        OutcomeUnknownError if the request left and its fate is unknown: it is never sent again by itself, since the
        API knows no idempotency key. Any other error means that nothing was created.
        Source: API page, "Add Client" (required: campaign_id, email).
        """
        email, first_name, last_name = hidden(email), hidden(first_name), hidden(last_name)
        company_name, phone = hidden(company_name), hidden(phone)
        client = NewClient(campaign_id, email, first_name, last_name, company_name, phone)
        return await self._add(client, self._with(priority, deadline_s, max_wait_s))

    async def ensure_client(
        self,
        *,
        campaign_id: str,
        email: str,
        first_name: str | None = None,
        last_name: str | None = None,
        company_name: str | None = None,
        phone: str | None = None,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> Client:
        """The client with this email in the campaign: found (`link` is None, names stay as they are), or added.

        Calls for one person through one handle wait for each other. It is not atomic beyond that: two processes that
        ask at the same moment may both add. Errors as for `find_client` and `add_client`.
        """
        email, first_name, last_name = hidden(email), hidden(first_name), hidden(last_name)
        company_name, phone = hidden(company_name), hidden(phone)
        new = NewClient(campaign_id, email, first_name, last_name, company_name, phone)
        check_new_client(new)
        key = (id(asyncio.get_running_loop()), campaign_id, hidden(email_key(email)))
        lock = self._adding.setdefault(key, asyncio.Lock())
        options = self._with(priority, deadline_s, max_wait_s)
        deadline = Deadline(options.deadline_s)  # one for the look, the addition, and the wait for others
        await deadline.keep(lock.acquire())
        try:
            api = self.with_options(deadline_s=deadline.left_s())
            found = await api.find_client(
                campaign_id=campaign_id, email=email, priority=priority, max_wait_s=max_wait_s
            )
            return found or await self._add(new, options.but(deadline_s=deadline.left_s()))
        finally:
            lock.release()

    # --- many at once ---

    def open_import(
        self,
        source: "str | Path | importer.Rows | None",
        *,
        campaign: str | None = None,
        journal: str | Path | None = None,
        mapping: Mapping[str, str] | None = None,
        on_ambiguous: str = "reconcile",
        encoding: str | None = None,
        delimiter: str | None = None,
        form: str | None = None,
        events_from: str | Path | Sequence[str | Path] | None = None,
        **rules: "Unpack[importer.RuleOptions]",
    ) -> "importer.ImportJob":
        """An import of a file, of rows (mappings or NewClient, also async), or what is left in a journal (None).

        Everybody in it is added to `campaign` (an id or a name) at most once, at BULK priority; without a campaign each
        row names its own. The journal of a file stands beside it and survives a crash; rows have one only if it is
        named, and without it a crash loses what was known of them. A row whose answer was lost is looked for, and sent
        again only if it is shown that nobody was created (`on_ambiguous="hold"`: never). `form` ("csv", "tsv", "jsonl",
        "json", "xlsx"), `delimiter` and `encoding` say how a file is to be read where it does not do so itself.
        `events_from`: inboxes, also in use, or files of `client.created` webhooks (a JSON object a line), for links.
        `rules`: see `Rules`. Of the handle's options `timeout_s` holds for each request, `deadline_s` does not.
        UNDOCUMENTED: whether the service writes to those who are added; take it that it does.
        ConfigurationError for what cannot work; `load` and `run` raise what is wrong with the list or the service.
        """
        options = self._options.but(priority=Priority.BULK, deadline_s=None, max_wait_s=None)
        bulk = self.with_options(priority=Priority.BULK, deadline_s=None, max_wait_s=None)
        campaigns: list[Campaign] = []

        async def find_campaign(id_or_name: str) -> str:
            if IS_ID(wanted := check_text("campaign", id_or_name).strip()):
                return wanted
            campaigns[:] = campaigns or await bulk.list_campaigns()
            return pick_campaign(wanted, campaigns).id

        return importer.ImportJob(
            source,
            add=lambda client, before_send: self._add(client, options, before_send),
            listing=lambda campaign_id: bulk.iter_clients(campaign_id=campaign_id).batches(),
            find_campaign=find_campaign,
            campaign=campaign,
            journal=journal,
            reading=importer.Reading(mapping, encoding, delimiter, form),
            events_from=events_from,
            rules=importer.Rules(on_ambiguous=on_ambiguous, **rules),
            skew_s=self._transport.clock.skew_s,
        )

    # --- anything else ---

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        priority: Priority | None = None,
        deadline_s: float | None = None,
        max_wait_s: float | None = None,
    ) -> object:
        """The decoded JSON of any call, budgeted and judged like the others; None for an empty answer.

        `path` follows the base URL: "/clients". What is not a GET, HEAD or OPTIONS counts as changing something, so
        it is never sent again while its fate is unknown.
        """
        path, params = hidden(path), {name: hidden(value) for name, value in (params or {}).items()}
        body = None if json is None else hidden(encode_json(json))
        del json  # no traceback is to show it
        check_request(method, path)
        request = Request(method, path, params, body)
        return await Call(self._transport, request, self._with(priority, deadline_s, max_wait_s)).read(decode_json)

    # --- inside ---

    def _with(self, priority: Priority | None, deadline_s: float | None, max_wait_s: float | None) -> Options:
        if priority is None and deadline_s is None and max_wait_s is None:
            return self._options
        given = {"priority": priority, "deadline_s": deadline_s, "max_wait_s": max_wait_s}
        return self._options.but(**{name: value for name, value in given.items() if value is not None})

    def _add(
        self, client: NewClient, options: Options, before_send: Callable[[], None] | None = None
    ) -> Awaitable[Client]:
        check_new_client(client)
        request = Request(
            "POST",
            "/clients",
            body=hidden(encode_client(client)),
            campaign_id=client.campaign_id,
            email=client.email,
            before_send=before_send,
        )
        return Call(self._transport, request, options).read(decode_client, "$.client")
