"""The blocking handle: the same calls, the same signatures, no await; each runs unchanged on the private loop.

Knows nothing of its own: what a call does is `api`'s, how it gets there is `bridge`'s.
"""
