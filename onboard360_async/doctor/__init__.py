"""The doctor: what a service is like where the API page leaves it open, told from two GETs and one captured webhook.

`looking` asks, `census` goes through the listing, `signed` through the webhook; what was seen is judged by `switches`,
`answers`, `assumptions` and `checks`, and `report` gathers it. Knows no command, and no POST.
"""

__all__: list[str] = []
