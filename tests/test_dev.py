"""`dev`: lists its tasks, refuses what it does not know, and needs no environment for either."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def dev(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", str(ROOT / "dev"), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_it_lists_its_tasks(tmp_path: Path) -> None:
    """One line each, from whatever folder it is called."""
    said = dev(folder=tmp_path)
    assert said.returncode == 0
    for task in ("demo", "test", "lint", "types", "docs", "bench", "lock"):
        assert f"\n  {task}" in said.stdout


@pytest.mark.parametrize("task", ["tset", "-x"])
def test_an_unknown_task_is_a_usage_error(task: str) -> None:
    """Exit 2, with the list."""
    said = dev(task)
    assert (said.returncode, "\n  test" in said.stdout, said.stderr) == (2, True, "")
