"""`await` where nothing is to be awaited, and none where something is; the wrong `for`, the wrong `with`."""

from collections.abc import Iterable

from onboard360_async import AsyncOnboard360, Client, Onboard360
from onboard360_async.webhooks import Inbox


async def asynchronous(api: AsyncOnboard360, blocking: Onboard360) -> None:
    await blocking.list_campaigns()  # error: misc reportGeneralTypeIssues
    await blocking.add_client(campaign_id="1", email="john@example.com")  # error: misc reportGeneralTypeIssues
    for client in api.iter_clients():  # error: attr-defined reportGeneralTypeIssues
        print(client)
    async for client in blocking.iter_clients():  # error: attr-defined reportGeneralTypeIssues
        print(client)
    async for client in api.list_clients():  # error: attr-defined reportGeneralTypeIssues
        print(client)
    await api.iter_clients()  # error: misc reportGeneralTypeIssues
    with AsyncOnboard360() as other:  # error: attr-defined reportGeneralTypeIssues
        print(other)
    async with Onboard360() as another:  # error: attr-defined reportGeneralTypeIssues
        print(another)
    added = api.add_client(campaign_id="1", email="john@example.com")
    print(added.link)  # error: attr-defined reportAttributeAccessIssue
    await added
    everybody: list[Client] = api.list_clients()  # error: assignment reportAssignmentType
    print(everybody)
    taken(api.iter_clients())  # error: arg-type reportArgumentType
    taken(blocking.iter_clients())


def taken(clients: Iterable[Client]) -> None:
    print(*clients)


async def nothing_comes_of_it(api: AsyncOnboard360, inbox: Inbox) -> None:
    api.list_campaigns()  # error: unused-coroutine reportUnusedCoroutine
    inbox.work()  # error: unused-coroutine reportUnusedCoroutine
