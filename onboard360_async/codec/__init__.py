"""Bytes to models and back: `answers` reads and writes whole ones, `stream` a listing item by item.

Knows no connection and no budget.
"""

__all__: list[str] = []
