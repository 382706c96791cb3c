from __future__ import annotations

from typing import Any

import pytest

from affectzoo.errors import LabelError, UnknownNameError
from affectzoo.labels import CODES, SPACES, LabelSpace, canonical, decode, label_space, unmapped


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("affectnet8", "neutral happiness sadness surprise fear disgust anger contempt"),
        ("affectnet7", "neutral happiness sadness surprise fear disgust anger"),
        ("ferplus8", "neutral happiness surprise sadness anger disgust fear contempt"),
        ("fer2013", "anger disgust fear happiness sadness surprise neutral"),
        ("rafdb7", "surprise fear disgust happiness sadness anger neutral"),
    ],
)
def test_spaces_have_the_data_sets_order(name: str, classes: str) -> None:
    assert label_space(name).names == tuple(classes.split())
    assert label_space(classes.split()) is SPACES[name]


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("affectnet", {0: "neutral", 1: "happiness", 5: "disgust", 7: "contempt", 10: "non-face"}),
        ("fer2013", {0: "anger", 3: "happiness", 4: "sadness", 6: "neutral"}),
        ("ferplus", {0: "neutral", 2: "surprise", 7: "contempt", 8: "unknown", 9: "non-face"}),
        ("rafdb", {1: "surprise", 4: "happiness", 7: "neutral"}),
    ],
)
def test_codes_of_each_data_set(dataset: str, expected: dict[int, str]) -> None:
    assert {code: decode(dataset, code, "here") for code in expected} == expected


@pytest.mark.parametrize(
    ("dataset", "code"),
    [("affectnet", 11), ("affectnet", -1), ("fer2013", 7), ("ferplus", 10), ("rafdb", 0)],
)
def test_unknown_code_names_place_code_and_choices(dataset: str, code: int) -> None:
    with pytest.raises(LabelError, match=rf"^list\.txt, line 3: label {code} is none") as error:
        decode(dataset, code, "list.txt, line 3")
    assert all(f"{number} {name}" in str(error.value) for number, name in CODES[dataset].items())


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        (" Happy ", "happiness"),
        ("ANGRY", "anger"),
        ("Sad", "sadness"),
        ("afraid", "fear"),
        ("fearful", "fear"),
        ("disgusted", "disgust"),
        ("surprised", "surprise"),
        ("contemptuous", "contempt"),
        ("Neutral", "neutral"),
    ],
)
def test_canonical_spelling(spelling: str, name: str) -> None:
    assert canonical(spelling) == name


def test_index_knows_aliases_either_way() -> None:
    assert SPACES["fer2013"].index("happy") == 3
    assert LabelSpace(("Angry", "Happy")).index("happiness") == 1
    with pytest.raises(LabelError, match=r"'contempt' is no class of fer2013 \(7: anger"):
        SPACES["fer2013"].index("contempt")


def test_label_space_keeps_order_of_custom_names() -> None:
    space = label_space(["calm", "anger"])
    assert (space.names, space.name, len(space)) == (("calm", "anger"), "custom", 2)
    assert label_space(space) is space


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["fear", "anger", "fear"], "names a class twice: fear, anger, fear"),
        (["happy", "happiness"], "names a class twice: happy, happiness"),
        (["Calm", "calm"], "names a class twice: Calm, calm"),
        (["e\u0301", "\u00e9"], "names a class twice"),
        ([], "no classes"),
    ],
)
def test_impossible_spaces(names: list[str], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        label_space(names)


def test_unknown_space_offers_the_near_name() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown label space 'rafdb': did you mean rafdb7"):
        label_space("rafdb")


def test_same_classes_ignores_the_name_but_not_the_order() -> None:
    space = SPACES["fer2013"]
    assert space.same_classes(LabelSpace(space.names, "other"))
    assert not space.same_classes(SPACES["rafdb7"])


def test_mapping_goes_by_name() -> None:
    mapping = SPACES["ferplus8"].mapping_to(SPACES["rafdb7"])
    assert mapping == {name: name for name in SPACES["rafdb7"].names} | {"contempt": None}
    assert LabelSpace(("happiness", "sad")).mapping_to(LabelSpace(("Sadness", "Happy"))) == {
        "happiness": "Happy",
        "sad": "Sadness",
    }


@pytest.mark.parametrize("merge", [{"contempt": "disgust"}, {"contemptuous": "disgusted"}])
def test_merge_renames_on_the_way(merge: dict[str, str]) -> None:
    mapping = SPACES["ferplus8"].mapping_to(SPACES["rafdb7"], merge)
    assert mapping["contempt"] == mapping["disgust"] == "disgust"


@pytest.mark.parametrize("merge", [{"boredom": "disgust"}, {"disgust": "contempt"}])
def test_merge_of_classes_that_are_not_there(merge: dict[str, str]) -> None:
    with pytest.raises(LabelError, match="is no class of"):
        SPACES["ferplus8"].mapping_to(SPACES["rafdb7"], merge)


def test_unmapped_lists_used_classes_without_answer() -> None:
    mapping = {"fear": "fear", "contempt": None, "disgust": None}
    assert unmapped(mapping, ["fear", "contempt", "boredom", "contempt"]) == ["boredom", "contempt"]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a,b", ("a", "b")),
        (" a , b ", ("a", "b")),
        ([1, 2], ("1", "2")),
        ([0.0, 1.5], ("0", "1.5")),
        (["yes", "no"], ("yes", "no")),
    ],
)
def test_labels_as_command_lines_and_yaml_give_them(given: Any, names: tuple[str, ...]) -> None:
    assert label_space(given).names == names


@pytest.mark.parametrize("given", [[True, False], ["a", None], [["a"], "b"], [{}]])
def test_words_of_yaml_are_refused_in_one_line_about_quotes(given: Any) -> None:
    with pytest.raises(LabelError, match="quotes") as error:
        label_space(given)
    assert "\n" not in str(error.value)


def test_merge_takes_numbers_for_names() -> None:
    mapping = label_space(["1", "2"]).mapping_to(label_space("a,b"), {1: "a", 2: "b"})  # type: ignore[dict-item]
    assert mapping == {"1": "a", "2": "b"}
    with pytest.raises(LabelError, match="quotes"):
        label_space("yes,no").mapping_to(label_space("a,b"), {True: "a"})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[31m", "\udce9", "\u2028", "x" * 201])
def test_names_that_cannot_be_shown_are_refused(name: str) -> None:
    with pytest.raises(LabelError, match="class name"):
        label_space(["fine", name])


@pytest.mark.parametrize("names", [["x" * 201, "y"], ["", "y"], [str(i) for i in range(1001)], ["x" * 10**6]])
def test_spaces_that_are_no_lists_of_names(names: list[str]) -> None:
    with pytest.raises(LabelError) as error:
        label_space(names)
    assert len(str(error.value)) < 300
