"""Node, where this machine has it: runs the scripts in node/."""

import shutil
import subprocess
from pathlib import Path

import pytest

__all__ = ["needs_node", "node"]

_NODE = shutil.which("node")
needs_node = pytest.mark.skipif(_NODE is None, reason="node is not on PATH")


def node(script: str, given: bytes = b"") -> bytes:
    """What a script of node/ writes when it is given these bytes."""
    assert _NODE is not None
    path = Path(__file__).parent / "node" / script
    return subprocess.run([_NODE, str(path)], input=given, stdout=subprocess.PIPE, check=True, timeout=15).stdout
