"""Names that are not there: of the door, of a room's door, of a module that only seems to be open."""

import onboard360_async
from onboard360_async import AsyncOnboard361  # error: attr-defined reportAttributeAccessIssue
from onboard360_async import AsyncOnboard360, Onboard360
from onboard360_async.importer import ImportJop  # error: attr-defined reportAttributeAccessIssue
from onboard360_async.sandbox import Sandpit  # error: attr-defined reportAttributeAccessIssue
from onboard360_async.webhooks import WebhookVerifyer  # error: attr-defined reportAttributeAccessIssue


async def calls(api: AsyncOnboard360, blocking: Onboard360) -> None:
    onboard360_async.errors.NotSendError()  # error: attr-defined reportAttributeAccessIssue
    await api.list_clientz()  # error: attr-defined reportAttributeAccessIssue
    blocking.list_clientz()  # error: attr-defined reportAttributeAccessIssue
    campaign = await api.find_campaign("One")
    print(campaign.title)  # error: attr-defined reportAttributeAccessIssue
