"""The doctor: what a service is like where the API page leaves it open, told from two GETs and one captured webhook.

One enters by `examine`, which hands on what was seen: `looking` asks, `census` goes through the listing, `signed`
through the webhook. It is judged by `switches`, `answers`, `assumptions` and `checks`, and `report` gathers that.
Knows no command, and no POST.
"""

__all__: list[str] = []
