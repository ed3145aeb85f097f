"""Journals looked after by hand, when no import runs: looked at, searched for a link, decided about, wiped."""

__all__: list[str] = []
