from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astraea.models import DarknetConfigError
from astraea.models.darknet.cfg import Section, parse_cfg, read_cfg
from astraea.models.darknet.network import ACTIVATIONS, Shape, build_network

NET = "[net]\nwidth=32\nheight=64\nchannels=3\n"
HEAD = "[convolutional]\nfilters=8\nactivation=linear\n[yolo]\nclasses=3\nnum=1\nanchors=8,9\n"

words = st.text("abcxyz_.,-0123456789", min_size=1, max_size=12)
blanks = st.text(" \t", max_size=3)
comments = st.sampled_from(["", "# a comment", "; [another]", "#key=value"])
sections = st.lists(st.tuples(words, st.dictionaries(words, words, max_size=5)), max_size=6)


def contents(parsed: list[Section]) -> list[tuple[str, dict[str, str]]]:
    return [(section.kind, {key: option.text for key, option in section.options.items()}) for section in parsed]


@given(written=sections, data=st.data())
def test_what_is_written_is_read_whatever_the_white_space_and_comments(
    written: list[tuple[str, dict[str, str]]], data: st.DataObject
) -> None:
    lines = []
    for kind, options in written:
        lines.append(["[", kind, "]"])
        lines += [[key, "=", value] for key, value in options.items()]
    text = ""
    for line in lines:
        text += "".join(data.draw(blanks) + part for part in line) + data.draw(comments)
        text += data.draw(st.sampled_from(["\n", "\r\n", "\n\n# between\n"]))
    assert contents(parse_cfg(text, "drawn")) == written


def refusal(cfg: str) -> str:
    try:
        build_network(parse_cfg(cfg, "any.cfg"))
    except DarknetConfigError as error:
        return str(error)
    return ""


@given(st.text())
def test_any_text_parses_or_is_refused_in_one_line(text: str) -> None:
    assert "\n" not in refusal(text)


@given(st.lists(st.sampled_from((NET + HEAD + "[route]\nlayers=-1\ngroups=0\nsize=-3\nstride=1e9").splitlines())))
def test_any_shuffle_of_lines_is_a_network_or_refused_in_one_line(lines: list[str]) -> None:
    assert "\n" not in refusal("\n".join(lines))


def test_of_a_key_given_twice_the_first_counts() -> None:
    assert parse_cfg("[net]\nwidth=32\nwidth=64", "x")[0].integer("width", high=100) == 32


def test_real_architectures_have_the_shapes_their_authors_give(shared_data: Path) -> None:
    shapes = {
        name: [head.shape for head in build_network(read_cfg(shared_data / "darknet" / f"{name}.cfg")).heads]
        for name in ("yolov3", "yolov3-tiny", "yolo-fastest-1.1")
    }
    assert shapes == {
        "yolov3": [Shape(255, 13, 13), Shape(255, 26, 26), Shape(255, 52, 52)],
        "yolov3-tiny": [Shape(255, 13, 13), Shape(255, 26, 26)],
        "yolo-fastest-1.1": [Shape(255, 10, 10), Shape(255, 20, 20)],
    }


@pytest.mark.parametrize(
    ("name", "size_bytes"), [("yolov3", 248_007_048), ("yolov3-tiny", 35_434_956), ("yolo-fastest-1.1", 1_384_268)]
)
def test_real_architectures_ask_for_the_weights_that_are_published(
    shared_data: Path, name: str, size_bytes: int
) -> None:
    network = build_network(read_cfg(shared_data / "darknet" / f"{name}.cfg"))
    assert 20 + 4 * sum(layer.number_count for layer in network.convolutions) == size_bytes


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ("", r"must begin with a \[net\] section, this one has none"),
        ("[convolutional]\n", r"must begin with a \[net\] section, bad.cfg:1 has \[conv"),
        ("width=3\n", r"bad.cfg:1: 'width' stands before the first \[section\]"),
        ("[net\n", r"bad.cfg:1: '\[net' is neither"),
        ("[net]\nwidth\n", r"bad.cfg:2: 'width' is neither"),
        ("[net]\nwidth=32\n", r"bad.cfg:1: \[net\] has no 'height'"),
        (NET.replace("32", "32px"), r"bad.cfg:2: width=32px, expected an integer from 8 to 8192"),
        (NET.replace("32", "99999999999999999999"), r"bad.cfg:2: width=99999999999999999999, expected"),
        (NET.replace("32", "9000"), r"width=9000, expected an integer from 8 to 8192"),
        (NET.replace("channels=3", "channels=1"), r"bad.cfg:4: channels=1, expected 3"),
        (NET, r"no \[yolo\] section"),
        (NET + "[lstm]\n" + HEAD, r"bad.cfg:5: unknown section \[lstm\]"),
        (NET + "[convolutional]\nactivation=elu\n" + HEAD, r"bad.cfg:6: unknown activation=elu; known are leaky"),
        (NET + "[convolutional]\nsize=50\n" + HEAD, r"bad.cfg:5: \[convolutional\] would give 1 x 15 x -17"),
        (NET + "[convolutional]\nfilters=4\ngroups=2\n" + HEAD, r"bad.cfg:5: 2 groups divide neither"),
        (NET + "[convolutional]\ndilation=2\n" + HEAD, r"bad.cfg:6: dilation=2 of \[convolutional\] is not supported"),
        (NET + "[maxpool]\nsize=2\npadding=3\n" + HEAD, r"bad.cfg:7: padding=3, expected an integer from 0 to 2"),
        (NET + "[upsample]\nstride=64\n" * 3 + HEAD, r"\[upsample\] would give 3 x 262144 x 131072"),
        (NET + "[route]\nlayers=-1\n" + HEAD, r"bad.cfg:5: \[route\] has no layer before it"),
        (NET + HEAD + "[route]\nlayers=0,7\n", r"bad.cfg:13: layers=7, expected an integer from -2 to 1"),
        (NET + HEAD + "[route]\nlayers=1\n", r"bad.cfg:12: \[route\] reads layer 1, which is a \[yolo\]"),
        (NET + HEAD + HEAD, r"bad.cfg:12: \[convolutional\] reads layer 1, which is a \[yolo\]"),
        (
            NET + "[maxpool]\nstride=2\n" * 2 + "[route]\nlayers=0,1\n",
            r"\[route\] cannot join 1 groups of 3 x 32 x 16 and",
        ),
        (
            NET + "[maxpool]\nstride=2\n" * 2 + "[shortcut]\nfrom=0\n",
            r"\[shortcut\] cannot add 3 x 32 x 16 to 3 x 16 x 8",
        ),
        (NET + HEAD.replace("filters=8", "filters=9"), r"bad.cfg:8: \[yolo\] reads 9 channels, expected 1 anchors x"),
        (NET + HEAD.replace("anchors=8,9", "anchors=8,9,10"), r"\[yolo\] has 3 numbers in anchors, expected 2 x num=1"),
        (NET + HEAD.replace("anchors=8,9", "anchors=8,nan"), r"bad.cfg:11: anchors=nan, expected a number"),
        (NET + HEAD + "mask=1\n", r"bad.cfg:12: mask=1, expected 0"),
        (NET + HEAD + "new_coords=1\n", r"new_coords=1 of \[yolo\] is not supported"),
        (NET + HEAD + "[route]\nlayers=0\n" + HEAD.replace("8\n", "9\n").replace("s=3", "s=4"), "4 classes, that at"),
        (NET + "[dropout]\n" * 2000 + HEAD, r"2003 sections, more than 2000"),
        (NET + "[convolutional]\nfilters=65536\nsize=63\n" * 2 + HEAD, r"\[convolutional\] would give 65536 x"),
    ],
)
def test_a_bad_cfg_is_refused_with_its_line_and_what_was_expected(cfg: str, message: str) -> None:
    with pytest.raises(DarknetConfigError, match=message):
        build_network(parse_cfg(cfg, "bad.cfg"))


def test_weights_beyond_what_an_onnx_file_holds_are_refused() -> None:
    cfg = NET + "[maxpool]\nstride=32\n" + "[convolutional]\nfilters=65536\nsize=1\n" * 2 + HEAD
    with pytest.raises(DarknetConfigError, match="weights, more than 500000000"):
        build_network(parse_cfg(cfg, "big.cfg"))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_known_activations_are_accepted(activation: str) -> None:
    build_network(parse_cfg(NET + f"[convolutional]\nactivation={activation}\n" + HEAD, "x"))


def test_a_file_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "long.cfg").write_bytes(b"#" * 2_000_000)
    with pytest.raises(DarknetConfigError, match=r"long.cfg is longer than 1048576 bytes"):
        read_cfg(tmp_path / "long.cfg")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DarknetConfigError, match=r"cannot read .*no.cfg: No such file"):
        read_cfg(tmp_path / "no.cfg")
