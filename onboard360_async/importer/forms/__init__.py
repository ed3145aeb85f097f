"""The forms of lists: CSV and TSV, JSON lines and arrays, workbooks. Each gives a `Table`; `source` is their door."""

__all__: list[str] = []
