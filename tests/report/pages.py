"""A page read back: its elements, and what they hold."""

import json
from html.parser import HTMLParser

VOID = {"br", "col", "hr", "img", "input", "link", "meta"}
# Written with a slash where nothing is inside.
DRAWN = {"line", "rect"}


class Page(HTMLParser):
    """Elements of a page as (tag, attributes, texts inside), in order of their beginning."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {[tag for tag, _, _ in self.open]}"

    def handle_starttag(self, tag, attributes):
        element = (tag, dict(attributes), [])
        assert len(dict(attributes)) == len(attributes), f"<{tag}> names an attribute twice"
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        assert tag in DRAWN, f"<{tag}/>"
        self.elements.append((tag, dict(attributes), []))

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, text):
        for _, _, inside in self.open:
            inside.append(text)

    def all(self, tag, **wanted):
        return [
            (attributes, "".join(inside))
            for name, attributes, inside in self.elements
            if name == tag and all(attributes.get(key) == value for key, value in wanted.items())
        ]

    @property
    def data(self):
        ((_, text),) = self.all("script", id="data")
        return json.loads(text)
