"""The double shares no code with what it doubles: a fake made of our code would share our mistakes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from onboard360_async import sandbox

ROOM = Path(sandbox.__file__).parent
FILES = sorted(ROOM.rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_file_imports_ours(file: Path) -> None:
    """Imports of the package lead into the sandbox only, those for types included."""
    for node in ast.walk(ast.parse(file.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            assert not name.startswith("onboard360_async") or name.startswith("onboard360_async.sandbox.")


def test_a_running_sandbox_has_loaded_none_of_ours() -> None:
    """In a fresh interpreter, a started sandbox has brought in nothing of the SDK but the package's door."""
    program = (
        "import sys; from onboard360_async.sandbox import Sandbox\n"
        "assert 'aiohttp' not in sys.modules\n"
        "with Sandbox() as s: print(*(m for m in sys.modules if m.startswith('onboard360_async')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=15)
    loaded = {name for name in done.stdout.split() if not name.startswith("onboard360_async.sandbox")}
    assert loaded == {"onboard360_async", "onboard360_async.door"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_module_says_what_is_public(file: Path) -> None:
    """Each has a docstring and an `__all__`."""
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree)
    assert any(isinstance(node, ast.Assign | ast.AnnAssign) and "__all__" in ast.unparse(node) for node in tree.body)
