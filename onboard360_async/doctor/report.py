"""The report: every finding in its order, what it comes to, and the sandbox's switches that it amounts to. Pure."""

from collections import Counter

from attrs import frozen

from onboard360_async.doctor.answers import findings_of_answers
from onboard360_async.doctor.assumptions import findings_of_assumptions
from onboard360_async.doctor.checks import findings_of_checks
from onboard360_async.doctor.findings import Finding, Kind, Verdict
from onboard360_async.doctor.seen import Seen
from onboard360_async.doctor.switches import findings_of_switches

__all__ = ["PRESET_VERSION", "Report", "report_on"]

PRESET_VERSION = 1  # of a preset's file, as the sandbox reads it


@frozen
class Report:
    """All findings: checks, assumptions, switches, answers."""

    findings: tuple[Finding, ...]

    @property
    def wrong(self) -> list[Finding]:
        """What is contradicted or failed."""
        return [finding for finding in self.findings if finding.verdict.is_wrong]

    def counts(self) -> Counter[Verdict]:
        """How many findings there are of each verdict."""
        return Counter(finding.verdict for finding in self.findings)

    def preset(self) -> dict[str, object]:
        """What the sandbox must be told to behave so, as a preset's file has it; what was not seen is left out."""
        observed = {
            finding.about: finding.value
            for finding in self.findings
            if finding.kind is Kind.SWITCH and finding.verdict is Verdict.OBSERVED and finding.value is not None
        }
        return {"version": PRESET_VERSION, **observed}


def report_on(seen: Seen) -> Report:
    """What was seen, judged."""
    parts = (findings_of_checks, findings_of_assumptions, findings_of_switches, findings_of_answers)
    return Report(tuple(finding for part in parts for finding in part(seen)))
