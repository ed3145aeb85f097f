"""Imports: no list of lists, no unknown rule; an outcome has the fields of its kind alone."""

from onboard360_async import AsyncOnboard360, Campaign, NewClient, Onboard360
from onboard360_async.importer import Created, Outcome, SkippedDuplicate


async def lists(api: AsyncOnboard360, blocking: Onboard360, campaign: Campaign) -> None:
    api.open_import([["jane@example.com", "Jane"]])  # error: list-item reportArgumentType
    api.open_import(["jane@example.com"])  # error: list-item reportArgumentType
    api.open_import([campaign])  # error: list-item reportArgumentType
    api.open_import(NewClient("1", "jane@example.com"))  # error: arg-type reportArgumentType
    api.open_import("people.csv", campaign=campaign)  # error: arg-type reportArgumentType
    api.open_import("people.csv", on_ambigous="hold")  # error: call-arg reportCallIssue
    api.open_import("people.csv", settle_s="5")  # error: arg-type reportArgumentType
    api.open_import()  # error: call-arg reportCallIssue
    blocking.open_import("people.csv", skip_existing=True)  # error: call-arg reportCallIssue
    blocking.open_import(["jane@example.com"])  # error: list-item reportArgumentType
    with api.open_import("people.csv") as job:  # error: attr-defined reportGeneralTypeIssues
        print(job)


async def outcomes(api: AsyncOnboard360, outcome: Outcome) -> None:
    print(outcome.link)  # error: attr-defined reportAttributeAccessIssue
    if isinstance(outcome, SkippedDuplicate):
        print(outcome.client_id)  # error: attr-defined reportAttributeAccessIssue
    if isinstance(outcome, Created):
        print(outcome.link.upper())  # error: union-attr reportOptionalMemberAccess
    async with api.open_import("people.csv") as job:
        for each in job.run():  # error: attr-defined reportGeneralTypeIssues
            print(each)
        print(job.summary())  # error: operator reportCallIssue
        plan = job.load()
        print(plan.rows)  # error: attr-defined reportAttributeAccessIssue
        await plan
