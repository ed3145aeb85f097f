"""The report of an import: one page of HTML that needs nothing from elsewhere, and names nobody unless told to."""

from onboard360_async.importer.report.page import write_report

__all__ = ["write_report"]
