"""Parts of the reports' HTML pages, which need no other file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
body { font: 15px/1.5 sans-serif; color: #222; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.6em; } h2 { font-size: 1.2em; margin-top: 2em; }
table { border-collapse: collapse; } th, td { padding: .25em .9em .25em 0; text-align: left; }
th { border-bottom: 2px solid #888; } td { border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums; }
img { max-width: 100%; } p.banner { padding: .5em 1em; background: #fff3cd; border-left: 5px solid #e69f00; }
p.note { color: #555; max-width: 46em; }
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page; ``sections`` are HTML."""
    body = "\n".join([f"<h1>{escape(title)}</h1>", *sections])
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def banner(text: str) -> str:
    """A sentence that cannot be overlooked."""
    return f'<p class="banner">{escape(text)}</p>'


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    body = "\n".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table>"


def image(address: str, text: str) -> str:
    """A picture, from a ``data:`` address, with what it shows in words."""
    return f'<p><img alt="{escape(text)}" src="{address}"></p>'


def note(text: str) -> str:
    """An explanation below a table or figure."""
    return f'<p class="note">{escape(text)}</p>'
