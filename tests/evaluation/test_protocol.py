from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes import write_afewva, write_affectnet_csv, write_affectnet_npy, write_ferplus, write_rafdb
from fakes.afew import write_afew, write_sfew
from fakes.affwild import write_affwild
from fakes.cremad import write_cremad
from fakes.posed import write_ckplus, write_jaffe, write_mmi
from fakes.rafdb_compound import write_rafdb_compound
from fakes.recola import write_recola
from fakes.semaine import write_semaine

from affectzoo.cli import main
from affectzoo.datamodules.holdout import hold_out
from affectzoo.datasets.afewva import afewva_folds
from affectzoo.datasets.folds import folds_hash
from affectzoo.datasets.ids import ids, split_hash
from affectzoo.datasets.index import FaceIndex
from affectzoo.errors import AffectZooError, DataError, DataNotFoundError, EmptySplitError, UnknownNameError
from affectzoo.evaluation.protocol import (
    compare,
    deviations,
    faces,
    freeze,
    listing,
    markdown,
    part_facts,
    read_ids,
)
from affectzoo.evaluation.protocols import PROTOCOLS, find_protocol
from affectzoo.evaluation.source import read
from affectzoo.labels import SPACES
from affectzoo.registry import DATASETS

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
SPREAD = ("Ann Lee", "Bob", "Cat", "Dan", "Eve", "Flo", "Gus", "Hal", "bob")
WRITERS: Mapping[str, Callable[[Path], Path]] = {
    "afew": write_afew,
    "afewva": lambda root: write_afewva(root, SPREAD),
    "affectnet": write_affectnet_npy,
    "affwild": lambda root: write_affwild(root, [*map(str, range(101, 109))], labelled_test=True),
    "ckplus": write_ckplus,
    "cremad": write_cremad,
    "ferplus": write_ferplus,
    "jaffe": write_jaffe,
    "mmi": write_mmi,
    "rafdb": lambda root: write_rafdb_compound(write_rafdb(root)),
    "recola": write_recola,
    "semaine": write_semaine,
    "sfew": write_sfew,
}


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[str, Path]]:
    """The fake copies that a protocol needs, written when first asked for; not to be changed."""
    base = tmp_path_factory.mktemp("copies")

    def roots(name: str) -> dict[str, Path]:
        found = {dataset: base / dataset for dataset in PROTOCOLS[name].datasets}
        for dataset, root in found.items():
            if not root.exists():
                WRITERS[dataset](root)
        return found

    return roots


Copies = Callable[[str], dict[str, Path]]


def afewva(root: Path) -> dict[str, Path]:
    return {"afewva": write_afewva(root, SPREAD)}


def test_every_entry_names_things_that_exist() -> None:
    for name, protocol in PROTOCOLS.items():
        assert name == protocol.name
        assert set(protocol.datasets) <= DATASETS.keys()
        assert (protocol.labels is None) == (protocol.task == "va")
        assert protocol.labels is None or protocol.labels in SPACES
        assert protocol.ours and protocol.paper and not protocol.ours.endswith(".")
        # What is reported has no say in the choice of the epoch.
        assert (protocol.test.split == "valid") <= (protocol.epoch == "last")


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_disjoint_parts_and_tests_each_face_once(name: str, copies: Copies) -> None:
    protocol, roots = find_protocol(name), copies(name)
    frozen = freeze(protocol, roots)
    assert len(frozen["folds"]) == protocol.folds
    tested: list[str] = []
    for fold in frozen["folds"]:
        parts = {key: set(part["ids"]) for key, part in fold["parts"].items()}
        assert list(parts) == (["train", "test"] if protocol.epoch == "last" else ["train", "valid", "test"])
        assert all(parts.values())
        assert sum(map(len, parts.values())) == len(set().union(*parts.values()))
        people = [set(part["subjects"]) for part in fold["parts"].values()]
        if len(protocol.datasets) == 1:
            assert sum(map(len, people)) == len(set().union(*people))
        tested += parts["test"]
        if protocol.labels is not None:
            assert list(fold["parts"]["test"]["classes"]) == list(SPACES[protocol.labels].names)
            assert sum(fold["parts"]["test"]["classes"].values()) == fold["parts"]["test"]["labelled"]
    if protocol.folds > 1:
        everyone = [name for part in frozen["folds"][0]["parts"].values() for name in part["ids"]]
        assert sorted(tested) == sorted(everyone)
    assert [d["equal"] for d in deviations(protocol, frozen["folds"][0]["parts"])] == [
        d["found"] in d["published"] for d in deviations(protocol, frozen["folds"][0]["parts"])
    ]
    assert [(d["part"], d["what"]) for d in deviations(protocol, frozen["folds"][0]["parts"])] == [
        p[:2] for p in protocol.published
    ]
    assert compare(frozen, frozen) == [
        {"fold": f["fold"], "part": part, "equal": True, "missing": [], "extra": []}
        for f in frozen["folds"]
        for part in f["parts"]
    ]


@pytest.mark.parametrize("name", ["afewva_to_semaine", "semaine_to_afewva"])
def test_cross_data_set_protocols_train_on_one_and_test_on_the_other(name: str, copies: Copies) -> None:
    one, other = name.split("_to_")
    parts = faces(PROTOCOLS[name], copies(name))
    assert {key: part.dataset for key, part in parts.items()} == {"train": one, "valid": one, "test": other}
    whole = read(other, copies(name)[other], **PROTOCOLS[name].test.options)
    assert ids(parts["test"]) == ids(whole)
    alone = {"afewva": "afewva_5fold", "semaine": "semaine"}[one]
    within = faces(PROTOCOLS[alone], copies(alone), 0)
    assert ids(parts["train"]) == ids(within["train"])  # so that the first fold's model serves


def test_the_parts_are_those_that_the_data_module_trains_on(copies: Copies) -> None:
    roots = copies("rafdb_basic")
    held, _ = hold_out(read("rafdb", roots["rafdb"]), 0.1, 0)
    parts = faces(PROTOCOLS["rafdb_basic"], roots)
    assert {name: ids(part) for name, part in parts.items()} == {
        name: ids(held.part(name)) for name in ("train", "valid", "test")
    }


def test_affectnet_counts_faces_without_a_class_for_values_only(tmp_path: Path) -> None:
    roots = {"affectnet": write_affectnet_csv(tmp_path, per_class=3)}
    found = {
        name: faces(PROTOCOLS[name], roots)["test"]
        for name in ("affectnet8", "affectnet7", "affectnet_va", "affectnet_p0")
    }
    assert {name: len(part) for name, part in found.items()} == {
        "affectnet8": 24,
        "affectnet7": 21,
        "affectnet_va": 27,
        "affectnet_p0": 27,
    }
    own = freeze(PROTOCOLS["affectnet_p0"], roots)
    assert [
        (d["what"], d["found"], d["equal"])
        for d in deviations(PROTOCOLS["affectnet_p0"], own["folds"][0]["parts"])
    ] == [
        ("labelled", 24, False),
        ("faces", 27, False),
    ]
    assert own["folds"][0]["parts"]["test"]["classes"]["contempt"] == 3


def test_ids_of_stills_and_frames(copies: Copies) -> None:
    def first(name: str, fold: int | None = None) -> str:
        return min(ids(faces(PROTOCOLS[name], copies(name), fold)["test"]))

    assert first("affectnet8") == "affectnet/val_set/images/0.jpg"
    assert first("rafdb_basic") == "rafdb/test_0001_aligned.jpg"
    assert first("rafdb_compound") == "rafdb_compound/test_0001_aligned.jpg"
    assert first("ferplus") == "ferplus/FER2013Test/fer0000057.png"
    assert first("jaffe_loso", 0) == "jaffe/KA.AN1.1.tiff"
    assert first("afewva_5fold", 0) == "afewva/002#0"
    assert first("affwild") == "affwild/test/200#0"
    assert first("ckplus_5fold", 0) == "ckplus/S005/001#5"


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_ids_depend_neither_on_root_nor_layout_nor_format(tmp_path: Path, nested: bool, suffix: str) -> None:
    protocol = PROTOCOLS["afewva_5fold"]
    first = freeze(protocol, afewva(tmp_path / "a"))
    root = write_afewva(tmp_path / "elsewhere" / "b", SPREAD, nested=nested, suffix=suffix)
    assert freeze(protocol, {"afewva": root}) == first


def test_ids_depend_neither_on_spelling_of_folders_nor_on_case_of_endings(tmp_path: Path) -> None:
    protocol = PROTOCOLS["affectnet8"]
    first = freeze(protocol, {"affectnet": write_affectnet_csv(tmp_path / "a")})
    root = write_affectnet_csv(tmp_path / "b", pictures="Manually_Annotated/Manually_Annotated_Images")
    for path in root.rglob("*.jpg"):
        path.rename(path.with_suffix(".JPG"))
    assert freeze(protocol, {"affectnet": root}) == first
    for doubled in (False, True):
        root = write_rafdb(tmp_path / f"rafdb{doubled}", doubled=doubled)
        assert ids(read("rafdb", root))[0] == "rafdb/train_00001_aligned.jpg"
    inside = write_jaffe(tmp_path / "c" / "jaffe")
    assert ids(read("jaffe", inside)) == ids(read("jaffe", inside.parent))


def test_order_of_rows_and_lines_does_not_matter(tmp_path: Path) -> None:
    root = write_ferplus(tmp_path / "ferplus")
    protocol = PROTOCOLS["ferplus"]
    first = freeze(protocol, {"ferplus": root})
    for path in root.glob("*/label.csv"):
        path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    assert freeze(protocol, {"ferplus": root}) == first
    assert split_hash(["a", "b"]) == split_hash(iter(["b", "a"]))
    assert len({split_hash(["a", "b"]), split_hash(["ab"]), split_hash(["a"]), split_hash([])}) == 4


def test_hashes_change_when_a_face_changes_its_part(tmp_path: Path) -> None:
    root = write_rafdb(tmp_path)
    protocol = PROTOCOLS["rafdb_basic"]
    first = freeze(protocol, {"rafdb": root})
    listed = root / "basic" / "EmoLabel" / "list_patition_label.txt"
    listed.write_text(listed.read_text().replace("test_0021.jpg", "train_00022.jpg"))
    old = root / "basic" / "Image" / "aligned" / "test_0021_aligned.jpg"
    old.rename(old.with_name("train_00022_aligned.jpg"))
    second = freeze(protocol, {"rafdb": root})
    assert first["hash"] != second["hash"]
    changed = {r["part"]: r for r in compare(first, second) if not r["equal"]}
    assert changed["test"]["missing"] == ["rafdb/test_0021_aligned.jpg"]
    assert changed["test"]["extra"] == []
    assert "rafdb/train_00022_aligned.jpg" in changed["train"]["extra"] + changed["valid"]["extra"]


def test_folds_are_those_of_the_data_module(copies: Copies) -> None:
    roots = copies("afewva_5fold")
    frozen = freeze(PROTOCOLS["afewva_5fold"], roots)
    assert frozen["folds_hash"] == folds_hash(afewva_folds(roots["afewva"]))
    assert freeze(PROTOCOLS["ferplus"], copies("ferplus"))["folds_hash"] is None


def test_round_trip_names_missing_and_extra_faces(tmp_path: Path) -> None:
    protocol = PROTOCOLS["ferplus"]
    root = write_ferplus(tmp_path / "ferplus")
    path = tmp_path / "ids.json"
    written = freeze(protocol, {"ferplus": root})
    path.write_text(json.dumps(written))
    assert read_ids(path) == written
    assert all(result["equal"] for result in compare(written, freeze(protocol, {"ferplus": root})))
    assert str(tmp_path) not in path.read_text(encoding="utf-8")

    lines = (root / "FER2013Test" / "label.csv").read_text().splitlines()
    lost = lines.pop(0).partition(",")[0]
    lines.append(lines[0].replace(lines[0].partition(",")[0], "fer0009999.png"))
    shutil.copy(next((root / "FER2013Test").glob("*.png")), root / "FER2013Test" / "fer0009999.png")
    (root / "FER2013Test" / "label.csv").write_text("\n".join(lines) + "\n")
    results = {result["part"]: result for result in compare(written, freeze(protocol, {"ferplus": root}))}
    assert [part for part, result in results.items() if not result["equal"]] == ["test"]
    assert results["test"]["missing"] == [f"ferplus/FER2013Test/{lost}"]
    assert results["test"]["extra"] == ["ferplus/FER2013Test/fer0009999.png"]


def test_files_that_are_no_ids_or_were_altered_are_refused(tmp_path: Path, copies: Copies) -> None:
    path = tmp_path / "ids.json"
    for text in ("no JSON", "[]", '{"protocol": "ferplus"}'):
        path.write_text(text)
        with pytest.raises(DataError, match=r"ids\.json"):
            read_ids(path)
    path.write_text('{"protocol": "ferpluss"}')
    with pytest.raises(UnknownNameError, match="did you mean ferplus"):
        read_ids(path)
    frozen = freeze(PROTOCOLS["ferplus"], copies("ferplus"))
    path.write_text(json.dumps(frozen))
    path.write_text(path.read_text().replace("fer0000057", "fer0000056"))
    with pytest.raises(DataError, match="altered, its hashes"):
        read_ids(path)
    other = freeze(PROTOCOLS["ferplus_valid"], copies("ferplus"))
    with pytest.raises(AffectZooError, match="the ids are of protocol ferplus, not ferplus_valid"):
        compare(frozen, other)


def test_parts_that_share_persons_are_refused(monkeypatch: pytest.MonkeyPatch, copies: Copies) -> None:
    def leaky(name: str, root: Path, **options: Any) -> FaceIndex:
        index = read(name, root, **options)
        tested = index.table.index[index.table["split"] == "test"]
        index.table.loc[tested[0], "subject"] = "everyone"
        index.table.loc[index.table["split"] == "train", "subject"] = "everyone"
        first = index.table["clip"][index.table["split"] == "train"].iloc[0]
        index.table.loc[index.table["clip"] == first, "subject"] = "someone"  # a clip stays together
        return index

    monkeypatch.setattr("affectzoo.evaluation.protocol.read", leaky)
    with pytest.raises(DataError, match="and test part share 1 persons: afewva/everyone"):
        faces(PROTOCOLS["afewva_5fold"], copies("afewva_5fold"), 0)


def test_faces_that_are_there_twice_are_refused(copies: Copies) -> None:
    index = read("afewva", copies("afewva_5fold")["afewva"])
    index.table.loc[1, "frame"] = index.table.loc[0, "frame"]
    with pytest.raises(DataError, match="two faces have the id afewva/001#0"):
        ids(index)


def test_faults_of_use(tmp_path: Path, copies: Copies) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown protocol 'afewva': .* afewva_5fold"):
        find_protocol("afewva")
    protocol, roots = PROTOCOLS["afewva_5fold"], copies("afewva_5fold")
    for fold in (None, -1, 5):
        with pytest.raises(AffectZooError, match=f"fold is {fold}, expected a fold from 0 to 4"):
            faces(protocol, roots, fold)
    with pytest.raises(AffectZooError, match="fold is 0, expected no fold"):
        faces(PROTOCOLS["ferplus"], copies("ferplus"), 0)
    with pytest.raises(AffectZooError, match="needs semaine: say where it is, --root semaine=DIR"):
        faces(PROTOCOLS["afewva_to_semaine"], roots)
    with pytest.raises(AffectZooError, match="ferplus is on ferplus, not on afewva"):
        faces(PROTOCOLS["ferplus"], roots)
    with pytest.raises(DataNotFoundError, match="is not a folder"):
        faces(protocol, {"afewva": tmp_path / "nowhere"}, 0)
    with pytest.raises(DataNotFoundError, match="holds none of the expected files"):
        faces(PROTOCOLS["ferplus"], {"ferplus": roots["afewva"]})
    unlabelled = write_affwild(tmp_path / "affwild")
    with pytest.raises(EmptySplitError, match=r"the test part .* protocol affwild .* takes affwild_5fold"):
        faces(PROTOCOLS["affwild"], {"affwild": unlabelled})


def test_command_lists_protocols(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "protocol", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in listed] == list(PROTOCOLS)
    assert listed == json.loads(json.dumps(listing()))
    assert main(["data", "protocol"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in PROTOCOLS)


def test_command_freezes_and_compares(
    tmp_path: Path, copies: Copies, capsys: pytest.CaptureFixture[str]
) -> None:
    root, path = copies("afewva_5fold")["afewva"], tmp_path / "ids.json"
    assert main(["data", "protocol", "afewva_5fold", "--root", str(root), "--out", str(path)]) == 0
    shown = capsys.readouterr().out
    frozen = read_ids(path)
    assert f"hash: {frozen['hash']}" in shown and f"folds: {frozen['folds_hash']}" in shown
    assert "all clips: 9 (published: 600)" in shown and "on [-1, 1] and on -10..10" in shown

    again = ["data", "protocol", "afewva_5fold", "--root", f"afewva={root}", "--compare", str(path)]
    assert main(again) == 0
    assert "the same faces as in" in capsys.readouterr().out
    other = write_afewva(tmp_path / "other", SPREAD)
    (other / "002" / "00001.png").unlink()
    with pytest.raises(SystemExit) as stopped:
        main(["data", "protocol", "afewva_5fold", "--root", str(other), "--compare", str(path)])
    assert stopped.value.code == 1
    assert re.search(r"fold 0, test: 1 missing, 0 extra \(-afewva/002#1\)", capsys.readouterr().out)
    with pytest.raises(SystemExit):
        main(["data", "protocol", "afewva_5fold", "--root", str(other), "--compare", str(path), "--json"])
    report = json.loads(capsys.readouterr().out)
    assert "ids" not in report["folds"][0]["parts"]["test"]
    assert next(r["missing"] for r in report["comparison"] if r["part"] == "test") == ["afewva/002#1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["afewva_5folds"], "unknown protocol 'afewva_5folds': did you mean afewva_5fold"),
        (["afewva_5fold"], "needs afewva: say where it is, --root afewva=DIR"),
        (["--root", "x"], "say which protocol"),
        (["afewva_to_semaine", "--root", "x"], "expected NAME=DIR, such as afewva=x"),
        (["afewva_to_semaine", "--root", "semain=x"], "unknown data set 'semain': did you mean semaine"),
        (["afewva_5fold", "--root", "x", "--root", "y"], "there is already one for afewva, x"),
        (["ferplus", "--root", "afewva=x"], "ferplus is on ferplus, not on afewva"),
        (["ferplus", "--root", "x", "--compare", "nowhere.json"], "nowhere.json"),
    ],
)
def test_command_says_what_is_wrong(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "protocol", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for protocol in PROTOCOLS.values():
        assert f"`{protocol.name}` | {protocol.title} |" in page
    assert markdown() in page, (
        "docs/protocols.md is stale: put what affectzoo.evaluation.protocol.markdown() returns after its "
        "section 'The protocols'"
    )


def test_testing_needs_the_test_part_alone(copies: Copies) -> None:
    """Each protocol without folds, on copies without what only training needs."""
    for protocol in PROTOCOLS.values():
        if protocol.folds > 1 or protocol.test.split == protocol.train.split:
            continue
        own = copies(protocol.name)
        whole = faces(protocol, own)
        if len(protocol.datasets) > 1:
            tested = {protocol.test.dataset: own[protocol.test.dataset]}
            assert set(faces(protocol, tested, testing=True)) == {"test"}
            with pytest.raises(AffectZooError, match=protocol.train.dataset):
                faces(protocol, tested)
        found = faces(protocol, own, testing=True)
        assert ids(found["test"]) == ids(whole["test"])


def test_a_copy_with_the_test_part_alone(tmp_path: Path) -> None:
    protocol = find_protocol("ferplus")
    root = write_ferplus(tmp_path / "ferplus")
    expected = ids(faces(protocol, {"ferplus": root})["test"])
    for name in ("FER2013Train", "FER2013Valid"):
        shutil.rmtree(root / name)
    parts = faces(protocol, {"ferplus": root}, testing=True)
    assert set(parts) == {"test"} and ids(parts["test"]) == expected
    assert {
        told["part"]
        for told in deviations(protocol, {name: part_facts(part) for name, part in parts.items()})
    } <= {"test"}
    with pytest.raises(EmptySplitError, match="train"):
        faces(protocol, {"ferplus": root})
