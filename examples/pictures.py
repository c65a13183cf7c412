"""Draw every picture of docs/pictures.md into a folder: ``python examples/pictures.py docs/images``.

The blocks of that page are what is run, one after the other; what each calls ``axes`` or ``figure`` is written
as ``plot_NAME.png``, by the name that the page shows it under.
"""

import re
import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

PAGE = Path(__file__).parents[1] / "docs" / "pictures.md"
BLOCK = re.compile(r"```python\n(?P<code>.*?)```(?:\s*!\[[^]]*\]\(images/(?P<picture>plot_\w+\.png)\))?", re.S)
COLOURS = 200
MOST_BYTES = 100_000


def main(folder: Path) -> None:
    names: dict = {}
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        exec(block["code"], names)
        if block["picture"] is None:
            continue
        path = folder / block["picture"]
        buffer = BytesIO()
        names["axes"].figure.savefig(buffer, dpi=110)
        # A palette: a third of the bytes, and no difference to be seen.
        Image.open(buffer).convert("RGB").quantize(COLOURS).save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        if path.stat().st_size > MOST_BYTES:
            sys.exit(f"{path} is larger than {MOST_BYTES / 1000:.0f} kB.")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python examples/pictures.py FOLDER")
    main(Path(sys.argv[1]))
