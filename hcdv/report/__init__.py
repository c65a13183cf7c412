"""A valuation as one self-contained HTML page (needs jinja2, the ``report`` extra)."""

from hcdv.report.write import check_report, write_report

__all__ = ["check_report", "write_report"]
