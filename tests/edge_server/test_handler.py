"""A handler's mistakes are told in one line, with the place where they are."""

import json
import re
import sys
from pathlib import Path

import pytest

from astraea.edge_server import HandlerError, ModelFormatError
from astraea.edge_server.handler import forget_modules, import_handler
from astraea.models import ModelFileError
from tests.edge_server.conftest import SIZE_HANDLER, MakeService, WriteService, open_folder
from tests.edge_server.test_formats import onnx_model

GOOD = "def predict(model, text: str): return text"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("", "has no function `predict`"),
        ("predict = 3", "`predict` is no function"),
        ("def predict(model): ...", "can't be called as `predict(model, input)`"),
        ("def predict(model, x, y): ...", "can't be called as `predict(model, input)`"),
        ("def predict_batch(model): ...", "can't be called as `predict_batch(model, inputs)`"),
        ("def predict_batch(model, texts: str): ...", "`predict_batch` doesn't say what `texts` is"),
        ("def predict_batch(model, x: list[int]): ...", "takes `x: list[int]`, which nothing here decodes"),
        ("def predict(model, image): ...", "doesn't say what `image` is"),
        ("def predict(model, x: list[int]): ...", "takes `x: list[int]`, which nothing here decodes"),
        ("def predict(model, x: 'Img'): ...", "handler.py: an annotation of `predict` can't be resolved: NameError"),
        (f"{GOOD}\ndef load(): ...", "`load` can't be called as `load(model)`"),
        ("\nimport nowhere_to_be_found", "handler.py:2: can't be imported: ModuleNotFoundError: No module named"),
        ("x = 1\nraise SystemExit(3)", "handler.py:2: can't be imported: SystemExit: 3"),
        ("x = 1\n\nx =", "handler.py:3: can't be imported: SyntaxError"),
        ("def f():\n  raise ValueError('a\\nb')\nf()", "handler.py:2: can't be imported: ValueError: a b"),
        ("raise ValueError", "handler.py:1: can't be imported: ValueError"),
        (f"{GOOD}\ndef load(model):\n  return 1 / 0", "handler.py:3: load failed: ZeroDivisionError"),
    ],
)
def test_a_handler_that_cannot_be_used_is_told_in_one_line(make_service: MakeService, code: str, message: str) -> None:
    with pytest.raises(HandlerError, match=re.escape(message)) as caught:
        make_service(code)
    assert "\n" not in str(caught.value)


def test_an_error_of_ours_passes_through_load(make_service: MakeService) -> None:
    code = f"""
        from astraea.models import PlateRecognizer
        {GOOD}
        def load(model): return PlateRecognizer(model)
    """
    with pytest.raises(ModelFileError):
        make_service(code, model="handler.py")


@pytest.mark.parametrize(
    ("annotation", "name"), [("Image", "Image"), ("bytes", "bytes"), ("dict", "dict"), ("dict[str, int]", "dict")]
)
def test_the_annotation_chooses_the_input(write_service: WriteService, annotation: str, name: str) -> None:
    code = f"""
        from __future__ import annotations
        from astraea.edge_server import Image
        def predict(model, x: {annotation}): ...
    """
    assert import_handler(write_service(code) / "handler.py").input.name == name


def test_a_handler_imports_what_lies_beside_it_and_leaves_no_trace(write_service: WriteService, tmp_path: Path) -> None:
    folder = write_service("import beside_it\ndef predict(model, x: str): return beside_it.ANSWER")
    (folder / "beside_it.py").write_text("ANSWER = 42")
    path = list(sys.path)
    handler = import_handler(folder / "handler.py")
    assert handler.predict(None, "") == 42
    assert sys.path == path


def test_a_file_of_the_service_hides_no_module(write_service: WriteService) -> None:
    folder = write_service("import colorsys\ndef predict(model, x: str): return colorsys.__file__")
    (folder / "colorsys.py").write_text("raise RuntimeError")
    assert str(folder) not in import_handler(folder / "handler.py").predict(None, "")


def test_dataclasses_work_in_a_handler(make_service: MakeService) -> None:
    service = make_service("""
        from __future__ import annotations
        import dataclasses
        @dataclasses.dataclass
        class Count:
            letters: int
        def predict(model, text: str) -> Count: return Count(len(text))
    """)
    assert json.loads(service.answer(b"abc").body) == {"output": {"letters": 3}}


def test_load_gets_the_path_of_the_model(make_service: MakeService, tmp_path: Path) -> None:
    code = "def load(model): return model.read_text()\ndef predict(model, text: str): return model + text"
    assert make_service(code, model="handler.py").answer(b"!").body.endswith(b'text!"}')


ADD_HANDLER = """
    import numpy as np
    def predict(model, x: dict): return model.run(None, {"x": np.array(x["x"], np.float32)})[0]
"""


def test_without_load_an_onnx_file_is_opened(write_service: WriteService) -> None:
    folder = write_service(ADD_HANDLER, model="handler.py")
    (folder / "double.bin").write_bytes(onnx_model())
    (folder / "astraea.yaml").write_text("{name: sizes, version: 1.0.0, handler: handler.py, model: double.bin}")
    assert json.loads(open_folder(folder).answer(b'{"x": [1, 2.5]}').body) == {"output": [2, 5]}


def test_without_load_another_file_is_named_for_what_it_is(make_service: MakeService) -> None:
    with pytest.raises(ModelFormatError, match="no known format"):
        make_service(ADD_HANDLER, model="handler.py")


def test_warming_up_finds_a_handler_that_fails(make_service: MakeService) -> None:
    service = make_service("""
        from astraea.edge_server import Image
        def predict(model, image: Image):
            return image.no_such_thing
    """)
    with pytest.raises(HandlerError, match=r"handler\.py:4: can't answer an image of plain noise: AttributeError"):
        service.warm_up()


def test_a_service_with_neither_model_nor_handler_is_told_what_to_add(make_service: MakeService) -> None:
    with pytest.raises(HandlerError) as caught:
        make_service(None)
    assert "handler: handler.py" in str(caught.value.hint)


def test_stages_are_timed(make_service: MakeService, jpeg: bytes) -> None:
    answer = make_service(SIZE_HANDLER).answer(jpeg)
    assert min(answer.decode_ms, answer.infer_ms, answer.post_ms) > 0
    assert json.loads(answer.body)["height"] == 48


def test_several_inputs_are_answered_at_once(make_service: MakeService, write_service: WriteService) -> None:
    code = "def predict_batch(model, texts: list[str]) -> list[dict]: return [{'n': len(text)} for text in texts]"
    assert make_service(code).answer(b"four").body == b'{"n":4}'
    handler = import_handler(write_service(code, "several") / "handler.py")
    assert handler.predict_batch is not None
    assert handler.predict_batch(None, ["a", "bc"]) == [{"n": 1}, {"n": 2}]
    assert (handler.input.name, handler.output) == ("str", dict)


def test_a_batch_with_too_few_answers_is_a_failure(make_service: MakeService) -> None:
    service = make_service("def predict_batch(model, texts: list[str]): return []")
    with pytest.raises(ValueError, match="0 outputs for 1 inputs"):
        service.answer(b"x")


def test_a_single_input_goes_to_predict_if_there_is_one(make_service: MakeService) -> None:
    service = make_service(f"{GOOD}\ndef predict_batch(model, texts): raise OSError")
    assert service.answer(b"x").body == b'{"output":"x"}'


def test_async_functions_share_an_event_loop(make_service: MakeService) -> None:
    service = make_service("""
        import asyncio
        async def load(model): return asyncio.get_running_loop()
        async def predict(loop, text: str) -> bool:
            await asyncio.sleep(0)
            return loop is asyncio.get_running_loop()
    """)
    assert service.answer(b"x").body == service.answer(b"y").body == b'{"output":true}'


def test_an_async_function_that_exits_ends_nothing_else(make_service: MakeService) -> None:
    service = make_service("""
        async def predict(model, text: str):
            if text == "exit": raise SystemExit(3)
            return text
    """)
    with pytest.raises(RuntimeError, match="SystemExit"):
        service.answer(b"exit")
    assert service.answer(b"x").body == b'{"output":"x"}'


def test_what_lies_beside_a_handler_is_imported_anew_and_nothing_else(write_service: WriteService) -> None:
    folder = write_service("import beside\nimport inner.part\nimport far\ndef predict(m, x: str): return beside.WORD")
    (folder / "beside.py").write_text("WORD = 1")
    (folder / "inner").mkdir()
    (folder / "inner" / "part.py").write_text("")
    far = folder / ".venv" / "lib"
    far.mkdir(parents=True)
    (far / "far.py").write_text("")
    sys.path.append(str(far))
    try:
        for word in (1, 2):
            (folder / "beside.py").write_text(f"WORD = {word}")
            handler = import_handler(folder / "handler.py")
            assert handler.predict(None, "") == word
        assert {"beside", "inner.part"} <= forget_modules(folder).keys()
        assert "far" in sys.modules
    finally:
        sys.path.remove(str(far))
        sys.modules.pop("far", None)


def test_a_handler_that_fails_to_import_leaves_what_was_imported(write_service: WriteService) -> None:
    folder = write_service("import beside\ndef predict(m, x: str): ...")
    (folder / "beside.py").write_text("")
    import_handler(folder / "handler.py")
    before = sys.modules["beside"]
    (folder / "beside.py").write_text("1 / 0")
    with pytest.raises(HandlerError, match="ZeroDivisionError"):
        import_handler(folder / "handler.py")
    assert sys.modules["beside"] is before
    forget_modules(folder)
