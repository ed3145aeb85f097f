"""Journals looked after by hand, when no import runs: looked at, searched for a link, decided about, wiped."""
