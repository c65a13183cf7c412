"""Rows that do not fit into memory: encoded block by block into a file that is mapped."""

from hcdv.encoder.out_of_core._encode import encode_to_disk

__all__ = ["encode_to_disk"]
