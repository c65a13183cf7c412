"""Tables in, values out: CSV, TSV, Parquet, Arrow and NPZ files.

What does not fit into memory is read by `hcdv.io.source` and written by `ValuesWriter`.

Every trouble with a file is one sentence, raised as `FileProblem`.
"""

from hcdv.io._problem import FileProblem, UnknownSuffix
from hcdv.io._read import read_table
from hcdv.io._values_writer import ValuesWriter
from hcdv.io._write import check_destination, write_values

__all__ = ["FileProblem", "UnknownSuffix", "ValuesWriter", "check_destination", "read_table", "write_values"]
