"""Bytecode for images: the same bytes whatever else is compiled beside it, and what the interpreter loads."""

import subprocess
import sys
from pathlib import Path

from astraea.deployer.packaging.bytecode import Compiler, compiled, find_compiler

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
MODULES = {
    "opt/first.py": "ANSWER = 'one'\ndef ask(word):\n    return word in {'one', 'two', 'three', 'four', 'five'}\n",
    "opt/package/second.py": "class Second:\n    word, other = 'one', ('two', 'three')\n",
    "opt/template.py": "def {{ name }}():\n",
}


def compiler() -> Compiler:
    found = find_compiler(HERE)
    assert found is not None
    return found


def written(folder: Path, *names: str) -> dict[str, Path]:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MODULES[name])
    return {name: folder / name for name in names}


def test_bytecode_is_the_same_whatever_is_compiled_before_it(tmp_path: Path) -> None:
    alone = compiled(written(tmp_path / "a", "opt/package/second.py"), compiler(), tmp_path / "1")
    both = compiled(written(tmp_path / "b", *MODULES), compiler(), tmp_path / "2")
    cached = f"opt/package/__pycache__/second.{sys.implementation.cache_tag}.pyc"
    assert alone[cached].read_bytes() == both[cached].read_bytes()
    assert cached in both
    assert not any("template" in name for name in both), "what is no Python has no bytecode"


def test_an_interpreter_loads_it_without_a_look_at_the_source(tmp_path: Path) -> None:
    made = compiled(written(tmp_path / "source", "opt/first.py"), compiler(), tmp_path / "bytecode")
    image = tmp_path / "image"
    for name, path in made.items():
        (image / name).parent.mkdir(parents=True)
        path.rename(image / name)
    (image / "opt" / "first.py").write_text("ANSWER = 'compiled anew'\n")
    script = "import first; print(first.ANSWER, first.ask('two'), first.ask.__code__.co_filename)"
    told = subprocess.check_output([sys.executable, "-B", "-c", script], cwd=image / "opt", text=True)
    assert told.split()[:2] == ["one", "True"]


def test_a_version_of_python_that_is_not_here_compiles_nothing() -> None:
    assert find_compiler("3.99") is None
    assert compiler().version.startswith(f"{HERE}.")
