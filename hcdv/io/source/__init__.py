"""Rows that need not fit into memory, from wherever they lie."""

from hcdv.io.source._arrays import let_go, mapped
from hcdv.io.source._open import open_source
from hcdv.io.source._protocol import Block, Source
from hcdv.io.source._told import TOLD_ROWS, contents

__all__ = ["TOLD_ROWS", "Block", "Source", "contents", "let_go", "mapped", "open_source"]
