"""What GMime takes out of messages: lines "FILE<TAB>FOLDER" on standard input; for each leaf
FOLDER/N.content and FOLDER/N.name, and FILE on standard output when it begins with one.

Called by  scripts/differential.py, with the system's Python: python3-gi is not in our .venv.
"""

import os
import sys

import gi  # type: ignore[import-not-found, unused-ignore]

gi.require_version("GMime", "3.0")
from gi.repository import GMime  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

GMime.init()
for line in sys.stdin:
    file, _, folder = line.rstrip("\n").partition("\t")
    print(file, flush=True)
    parser = GMime.Parser.new_with_stream(GMime.StreamFs.open(file, os.O_RDONLY, 0))
    message = parser.construct_message(None)
    if message is None:
        continue
    parts = GMime.PartIter.new(message)
    number = 0
    while True:
        part = parts.get_current()
        if isinstance(part, GMime.Part):
            number += 1
            name = part.get_filename() or ""
            with open(f"{folder}/{number}.name", "w", errors="surrogateescape") as names:
                names.write(name)
            content = part.get_content()
            if content is not None:
                flags = os.O_WRONLY | os.O_CREAT
                out = GMime.StreamFs.open(f"{folder}/{number}.content", flags, 0o600)
                content.write_to_stream(out)
                out.flush()
                out.close()
        if not parts.next():
            break
