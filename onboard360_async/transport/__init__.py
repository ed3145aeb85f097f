"""One request: budgeted, sent, judged, and sent again where that is safe.

`call` drives; `verdict` says what an attempt proves, `pool` keeps the connections, `access` the key and the address,
`wire` puts what was seen into words, `rate_headers` reads what the server says of its limit, `options` are the plain
values.
Knows no client and no listing.
"""

__all__: list[str] = []
