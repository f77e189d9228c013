"""Compiles modules to bytecode that depends on nothing but them and this interpreter.

A script, run by the image's version of Python. Each line of standard input is a JSON array: a module's file, its path
in the image, and where its bytecode is to go. It is known by its source's hash, which nothing checks when it is loaded:
https://peps.python.org/pep-0552/.
"""

import json
import marshal
import sys
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path

_UNCHECKED_HASH = (1).to_bytes(4, "little")
_MARSHAL_VERSION = 2
"""From 3 on, what is written depends on how often each object happens to be referred to in this process."""


def main() -> None:
    """Compile what standard input names; what doesn't compile (templates, code for other Pythons) has no bytecode."""
    for line in sys.stdin:
        source, name, target = json.loads(line)
        content = Path(source).read_bytes()
        try:
            code = compile(content, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        header = MAGIC_NUMBER + _UNCHECKED_HASH + source_hash(content)
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_bytes(header + marshal.dumps(code, _MARSHAL_VERSION))


if __name__ == "__main__":
    main()
