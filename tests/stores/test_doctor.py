"""`onboard360 doctor` where the budget is kept in a real Redis."""

import pytest

from onboard360_async.doctor.examine import Place, examine
from onboard360_async.doctor.findings import Finding
from onboard360_async.doctor.report import report_on
from onboard360_async.sandbox import Sandbox


async def test_a_redis_is_looked_at(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it could be read and written, and who shares it; a clock of its own that is wrong does no harm"""
    async with Sandbox(limiter="off") as sandbox:
        place = Place(sandbox.api_key, sandbox.url, any_url, "redis")

        async def look() -> Finding:
            seen = await examine(place, most=10, webhook=None, on_event=lambda _: None)
            (finding,) = [each for each in report_on(seen).findings if each.about == "budget"]
            return finding

        first = await look()
        assert first.verdict == "ok"
        assert first.why.startswith("Could be read and written; shared with all that use this Redis.")
        assert first.why.endswith("0 of 100 were used before. 2 spent by this")
        monkeypatch.setattr("onboard360_async.doctor.examine.time.time_ns", lambda: 0)
        second = await look()
        assert (second.verdict, "2 of 100 were used before." in second.why) == ("warning", True)
        assert second.why.endswith(" s from ours, which does no harm")
