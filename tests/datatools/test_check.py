from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from fakes import (
    Picture,
    picture,
    write_afewva,
    write_affectnet_csv,
    write_affectnet_npy,
    write_fer2013_csv,
    write_fer2013_folders,
    write_ferplus,
    write_folder,
    write_picture,
    write_rafdb,
    write_video,
)
from fakes.afew import write_afew, write_sfew
from fakes.affwild import write_affwild, write_affwild2
from fakes.cremad import write_cremad
from fakes.expw import write_expw
from fakes.posed import write_ckplus, write_jaffe, write_mmi
from fakes.recola import write_recola
from fakes.semaine import write_semaine

from affectzoo.cli import main
from affectzoo.datatools.check import CheckReport, Finding, check
from affectzoo.datatools.scan import near_pairs, perceptual_hashes
from affectzoo.errors import DataError, UnknownNameError
from affectzoo.evaluation.source import read
from affectzoo.files.faults import all_faults, one_row

HEADER = "path,label,valence,arousal,split,x0,y0,x1,y1,landmarks,subject,clip,frame"


def smooth(seed: int, side: int = 96) -> Picture:
    """Blotches: like a photograph, they survive scaling and compression."""
    random = np.random.default_rng(seed)
    coarse = picture(random, 7, 7, 3)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), np.uint8)


def found(report: CheckReport, kind: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.kind == kind]


class Faces:
    """A table of faces that grows line by line."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines = [HEADER]
        self.seed = 0

    def add(
        self,
        path: str,
        cells: str = "happiness,0.1,0.2,train",
        box: str = ",,,",
        points: str = "",
        rest: str = ",,",
        pixels: Picture | None = None,
        write: bool = True,
    ) -> str:
        """One face with an image of its own; returns how the check names its line."""
        self.seed += 1
        if write:
            write_picture(self.root / path, smooth(self.seed) if pixels is None else pixels)
        return self.line(f"{path},{cells},{box},{points},{rest}")

    def line(self, text: str) -> str:
        """A line as it is."""
        self.lines.append(text)
        self.save()
        return f"{self.root / 'faces.csv'}, line {len(self.lines)}"

    def save(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "faces.csv").write_text("\n".join(self.lines) + "\n", encoding="utf-8")


@pytest.fixture
def faces(tmp_path: Path) -> Faces:
    return Faces(tmp_path / "own")


def test_one_run_finds_every_kind_of_fault(faces: Faces, capsys: pytest.CaptureFixture[str]) -> None:
    root = faces.root
    for i in range(9):
        faces.add(f"fine{i}.png", f"happiness,0.{i},0.2,train")
    faces.add("test.png", "sadness,0.1,0.5,test")
    inside = ";".join(["40"] * 136)
    outside = ";".join(["400"] * 136)
    partly = ";".join(["400"] * 2 + ["40"] * 134)
    crossing = [
        faces.add(f"c{i}.png", f"happiness,0.1,0.2,{split}", rest=f",x,{i}")
        for i, split in enumerate(("train", "test"))
    ]
    fault: dict[str, list[tuple[str, str]]] = {  # kind: file and line, part of the message
        "row at fault": [
            (faces.line("few.png,happiness"), "2 fields, the first line has 13"),
            (faces.add("nan.png", "happiness,nan,0.2,train"), "valence is 'nan'"),
            (
                faces.add("range.png", "happiness,1.5,0.2,train"),
                "valence is '1.5', expected a number in -1..1",
            ),
            (faces.add("fine0.png", write=False), "the same path and box"),
            (faces.add("split.png", "happiness,0.1,0.2,half"), "split is 'half'"),
            (faces.add("half.png", "happiness,0.1,,train"), "arousal is empty"),
            (faces.add("area.png", box="9,9,9,20"), "the box has no area"),
            (faces.add("points.png", points="1;2;3;4"), "2 landmarks, expected 5 or 68"),
            (faces.add("word.png", box="a,1,9,9"), "x0 is 'a'"),
        ],
        "listed image is missing": [(faces.add("gone.png", write=False), "gone.png: no such file")],
        "cannot be opened": [
            (faces.add("cut.jpg"), "cut.jpg"),
            (faces.add("empty.png"), "the file is empty"),
            (faces.add("junk.png"), "no image"),
            (faces.add("junk.avi", rest=",film0,0", write=False), "no video"),
            (faces.add("short.avi", rest=",film,40", write=False), "4 frames, the labels go up to frame 40"),
        ],
        "landmarks outside of the image": [(faces.add("far.png", points=outside), "100% of the landmarks")],
        "box outside of the image": [(faces.add("aside.png", box="100,5,120,30"), "image of 96 x 96")],
        "clip in several splits": [(crossing[1], "clip x is in train and test")],
        "constant values": [(f"{root / 'faces.csv'}, line 2", "train: arousal is 0.2 for all of its")],
    }
    original = faces.add("original.png", pixels=smooth(500))
    copy = faces.add("copy.png", "sadness,0.1,0.5,test", pixels=smooth(500))
    fault["exact duplicate across splits, other label"] = [(original, f"copy.png (test), see {copy}")]
    shrunk = np.asarray(cv2.resize(smooth(500), (64, 64), interpolation=cv2.INTER_AREA), np.uint8)
    small = faces.add("small.jpg", pixels=shrunk)
    gap = [faces.add(f"g{i}.png", rest=f"ann,gap,{i}") for i in (1, 2, 3, 7, 8)]
    note: dict[str, list[tuple[str, str]]] = {
        "landmarks leave the image": [(faces.add("near.png", points=partly), "1% of the landmarks")],
        "box leaves the image": [
            (faces.add("over.png", box="-9,5,40,30", points=inside), "box -9, 5, 40, 30")
        ],
        "blank image": [(faces.add("blank.png", pixels=np.full((9, 9), 7, np.uint8)), "blank.png")],
        "clip of one frame": [(faces.add("single.png", rest=",single,4"), "clip single has one frame only")],
        "gap between frames": [
            (
                gap[0],
                "clip gap: 1 gaps, the first from frame 3 to 7",
            )
        ],
        "subject in several splits": [
            (faces.add("ann.png", "sadness,0.1,0.5,test", rest="ann,,"), "subject ann is in train and test")
        ],
        "near duplicate": [(original, f"small.jpg (train), see {small}")],
        "excluded by the reader": [(str(root), "labeled none")],
        "image that is not used": [(str(root), "such as area.png")],
        "class without faces": [(str(root), "train: no face is labeled sadness")],
    }
    faces.add("none.png", "none,0.1,0.2,train")
    data = cv2.imencode(".jpg", smooth(77))[1].tobytes()
    (root / "cut.jpg").write_bytes(data[: len(data) // 2])
    (root / "empty.png").write_bytes(b"")
    (root / "junk.png").write_text("no image")
    (root / "junk.avi").write_text("no video")
    write_video(root / "short.avi", 4)

    report = check("table", root)

    for severity, expected in (("fault", fault), ("note", note)):
        for kind, cases in expected.items():
            got = found(report, kind)
            assert {finding.severity for finding in got} == {severity}, kind
            for where, message in cases:
                named = [finding for finding in got if finding.where == where and message in finding.message]
                assert named, (kind, where, message, got)
    for kind in ("row at fault", "cannot be opened", "clip in several splits", "blank image"):
        assert len(found(report, kind)) == len({**fault, **note}[kind]), found(report, kind)
    assert {finding.kind for finding in report.faults} == set(fault)

    with pytest.raises(SystemExit) as status:
        main(["data", "check", "table", "--root", str(root)])
    assert status.value.code == 1
    printed = capsys.readouterr().out
    assert "and 4 more (--json lists all)" in printed
    assert f"{root / 'faces.csv'}, line 14: 2 fields" in printed
    with pytest.raises(SystemExit):
        main(["data", "check", "table", "--root", str(root), "--json"])
    listed = json.loads(capsys.readouterr().out)
    assert len(listed["findings"]) == len(report.findings)
    assert listed["faces"] == dict(report.faces)
    without = check("table", root, pictures=False)
    assert found(without, "row at fault") == found(report, "row at fault")
    assert not found(without, "cannot be opened")
    assert not found(without, "near duplicate")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def line(path: Path, number: int, text: str) -> str:
    """Put another line there; returns how the check names it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{path}, line {number}"


def _ferplus(root: Path) -> list[str]:
    path = write_ferplus(root) / "FER2013Valid" / "label.csv"
    row = "(0, 0, 48, 48)"
    (root / "FER2013Test" / "label.csv").rename(root / "label.csv")
    for file in (root / "FER2013Test").glob("*.png"):
        file.unlink()
    (root / "label.csv").rename(root / "FER2013Test" / "label.csv")
    return [
        line(path, 2, f'a.png,"{row}",1,2'),
        line(path, 5, f'b.png,"{row}",5,x,0,0,0,0,0,0,0,0'),
        "ferplus (labels are there, but no images)",
    ]


def _fer2013(root: Path) -> list[str]:
    path = write_fer2013_csv(root, per_class=1) / "fer2013.csv"
    pixels = "1 2 " * 1152
    faulty = {3: "9,1 2 3,Training", 5: "1,2", 22: f"7,{pixels},Training"}
    return [line(path, number, text) for number, text in faulty.items()]


def _fer2013_folders(root: Path) -> list[str]:
    write_fer2013_folders(root, per_class=1)
    write_picture(root / "test" / "angry" / "Other_1.jpg", smooth(1))
    write_picture(root / "test" / "bored" / "PublicTest_1.jpg", smooth(2))
    return [str(root / "test" / "angry" / "Other_1.jpg"), str(root / "test" / "bored")]


def _rafdb(root: Path) -> list[str]:
    path = write_rafdb(root, ["aligned"], per_class=1) / "basic" / "EmoLabel" / "list_patition_label.txt"
    return [
        line(path, 2, "train_00002.jpg 8"),
        line(path, 4, "train_00004.jpg"),
        line(path, 6, "train_00005.jpg 1"),
    ]


def _expw(root: Path) -> list[str]:
    path = write_expw(root, per_class=1) / "data" / "label" / "label.lst"
    return [
        line(path, 2, "a.jpg 0 1 2 3 4 50 7"),
        line(path, 3, "a.jpg"),
        line(path, 9, "a.jpg 0 1 2 nan 4 50 6"),
    ]


def _affectnet(root: Path) -> list[str]:
    folder = write_affectnet_npy(root, per_class=1) / "train_set" / "annotations"
    np.save(folder / "3_exp.npy", np.array("11"))
    np.save(folder / "6_val.npy", np.array("1.5"))
    np.save(folder / "9_lnd.npy", np.zeros(100))
    return [str(folder / name) for name in ("3_exp.npy", "6_val.npy", "9_lnd.npy")]


def _affectnet_lists(root: Path) -> list[str]:
    path = write_affectnet_csv(root, per_class=1) / "Manually_Annotated_file_lists" / "training.csv"
    replace(path, "10,5,50,60", "x,5,50,60")
    return [f"{path}, line 3", line(path, 5, "1/a.jpg,1,2")]


def _afewva(root: Path) -> list[str]:
    write_afewva(root)
    path = root / "003" / "003.json"
    clip = json.loads(path.read_text())
    clip["frames"]["00001"]["valence"] = 11
    clip["frames"]["00002"]["landmarks"] = [[1, 2]] * 5
    path.write_text(json.dumps(clip))
    (root / "004" / "004.json").write_text("{")
    return [f"{path}, frame 00001", f"{path}, frame 00002", f"{root / '004' / '004.json'}, line 1"]


def _affwild(root: Path) -> list[str]:
    write_affwild(root)
    folder = root / "annotations" / "train"
    (folder / "arousal" / "109.txt").unlink()
    points = root / "bboxes" / "train" / "107" / "3.pts"
    points.write_text("nothing")
    (root / "videos" / "train" / "108.avi").write_text("no video")
    return [
        line(folder / "valence" / "105.txt", 2, "1.5"),
        line(folder / "valence" / "105.txt", 4, "nan"),
        f"{folder / 'arousal' / '109.txt'}",
        str(points),
        str(root / "videos" / "train" / "108.avi"),
    ]


def _affwild2(root: Path) -> list[str]:
    path = write_affwild2(root) / "VA_Set" / "Train_Set" / "10-60_left.txt"
    return [line(path, 3, "0.5"), line(path, 4, "2,0.1")]


def _ckplus(root: Path) -> list[str]:
    write_ckplus(root)
    path = root / "Emotion" / "S005" / "001" / "S005_001_00000005_emotion.txt"
    path.write_text("9")
    points = root / "Landmarks" / "S010" / "001" / "S010_001_00000004_landmarks.txt"
    points.write_text("1 2")
    return [str(path), str(points)]


def _cremad(root: Path) -> list[str]:
    write_cremad(root)
    table = root / "processedResults" / "tabulatedVotes.csv"
    lines = table.read_text().splitlines()
    face = next(place for place, line in enumerate(lines) if line.startswith('"2'))
    lines[face + 3] = lines[face + 3].replace(",7,", ",-7,", 1)
    lines[face + 8] = lines[face + 8][:30]
    table.write_text("\n".join(lines))
    return [f"{table}, line {face + place + 1}" for place in (3, 8)]


def _jaffe(root: Path) -> list[str]:
    write_jaffe(root)
    names = [root / "KA.XX1.300.tiff", root / "KL.YY1.301.tiff"]
    for i, name in enumerate(names):
        write_picture(name, smooth(i))
    return [str(name) for name in names]


def _mmi(root: Path) -> list[str]:
    write_mmi(root)
    sessions = next(root.glob("*/Sessions"))
    (sessions / "1" / "S001-001.xml").write_text("<")
    replace(sessions / "2" / "S001-002.xml", 'Name="Emotion" Value="2"', 'Name="Emotion" Value="0"')
    (sessions / "3" / "S001-003.avi").write_text("no video")
    places = ("1/S001-001.xml", "2/S001-002.xml", "3/S001-003.avi")
    return [str(sessions / place) for place in places]


def _afew(root: Path) -> list[str]:
    write_afew(root)
    faces = root / "Train_AFEW" / "AlignedFaces_LBPTOP_Points" / "Faces" / "000046280"
    write_picture(faces / "first.jpg", smooth(1))
    write_picture(faces / "face1.jpg", smooth(2))
    twice = write_video(root / "Val_AFEW" / "Sad" / "000046280.avi", 4)
    return [str(faces / "first.jpg"), str(faces / "face1.jpg"), str(twice)]


def _sfew(root: Path) -> list[str]:
    write_sfew(root)
    stem = "Some_Movie_001234560_00000012.png"
    places = [
        root / f"{part}_Aligned_Faces{new}" / "Sad" / stem for part, new in (("Train", ""), ("Val", "_new"))
    ]
    for i, path in enumerate(places):
        write_picture(path, smooth(i))
    return [str(path) for path in places]


def _recola(root: Path) -> list[str]:
    base = write_recola(root) / "RECOLA-Annotation" / "emotional_behaviour"
    (base / "valence" / "P23.csv").unlink()
    points = root / "landmarks" / "P19" / "00002.pts"
    points.write_text("nothing")
    return [line(base / "arousal" / "P16.csv", 3, "0.04;2;0;0;0;0;0"), str(base / "valence"), str(points)]


def _semaine(root: Path) -> list[str]:
    write_semaine(root)
    traces = sorted(root.rglob("R1S*TUC*DV.txt"))
    return [line(traces[0], 2, "x"), line(traces[-1], 1, "nan 0.1")]


PLANTS: dict[str, tuple[str, Callable[[Path], list[str]]]] = {
    "ferplus": ("ferplus", _ferplus),
    "fer2013": ("fer2013", _fer2013),
    "fer2013 folders": ("fer2013", _fer2013_folders),
    "rafdb": ("rafdb", _rafdb),
    "expw": ("expw", _expw),
    "cremad": ("cremad", _cremad),
    "affectnet": ("affectnet", _affectnet),
    "affectnet lists": ("affectnet", _affectnet_lists),
    "afewva": ("afewva", _afewva),
    "affwild": ("affwild", _affwild),
    "affwild2": ("affwild2", _affwild2),
    "ckplus": ("ckplus", _ckplus),
    "jaffe": ("jaffe", _jaffe),
    "mmi": ("mmi", _mmi),
    "afew": ("afew", _afew),
    "sfew": ("sfew", _sfew),
    "recola": ("recola", _recola),
    "semaine": ("semaine", _semaine),
}


@pytest.mark.parametrize("case", PLANTS)
def test_reader_names_all_rows_at_fault(case: str, tmp_path: Path) -> None:
    name, plant = PLANTS[case]
    places = plant(tmp_path / "data")
    report = check(name, tmp_path / "data", pictures=False)
    assert {finding.where for finding in report.faults} == set(places), report.faults
    assert sum(report.faces.values()) > 0
    with pytest.raises(DataError):
        read(name, tmp_path / "data")


CLEAN: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "ferplus": ("ferplus", write_ferplus),
    "fer2013": ("fer2013", write_fer2013_csv),
    "rafdb": ("rafdb", write_rafdb),
    "affectnet": ("affectnet", write_affectnet_npy),
    "affectnet lists": ("affectnet", write_affectnet_csv),
    "afewva": ("afewva", write_afewva),
    "affwild": ("affwild", write_affwild),
    "affwild2": ("affwild2", write_affwild2),
    "ckplus": ("ckplus", write_ckplus),
    "expw": ("expw", write_expw),
    "cremad": ("cremad", write_cremad),
    "jaffe": ("jaffe", write_jaffe),
    "mmi": ("mmi", write_mmi),
    "afew": ("afew", write_afew),
    "sfew": ("sfew", write_sfew),
    "recola": ("recola", write_recola),
    "semaine": ("semaine", write_semaine),
    "folder": ("folder", write_folder),
}


@pytest.mark.parametrize("case", CLEAN)
def test_clean_copy_has_no_fault(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name, write = CLEAN[case]
    write(tmp_path / "data")
    assert main(["data", "check", name, "--root", str(tmp_path / "data"), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert sum(report["faces"].values()) > 0
    assert [finding for finding in report["findings"] if finding["severity"] == "fault"] == []
    assert not [f for f in report["findings"] if "duplicate" in f["kind"]]


def test_counts_are_compared_with_the_published_ones(tmp_path: Path) -> None:
    report = check("ferplus", write_ferplus(tmp_path), pictures=False)
    messages = [finding.message for finding in found(report, "another count than published")]
    assert "train: 24 faces, but 27,947 were published" in messages
    assert len(messages) == 3
    chosen = check("ferplus", tmp_path, pictures=False, options={"rule": "majority"})
    assert not found(chosen, "another count than published")


def test_layout_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    report = check("rafdb", tmp_path)
    assert [finding.kind for finding in report.findings] == ["files not found"]
    assert "list_patition_label.txt" in report.findings[0].message
    assert report.faces == {}


def test_nothing_follows_a_message_that_says_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture(tmp_path / "0.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "faces.csv").write_text("path,label\n0.png,\x1b[31mred\n")
    with pytest.raises(SystemExit):
        main(["data", "check", "table", "--root", str(tmp_path)])
    assert "rename the class\n" in capsys.readouterr().out


def test_only_faulty_rows_leave_no_second_fault(tmp_path: Path) -> None:
    clip = write_afewva(tmp_path, ["Ann"]) / "001" / "001.json"
    clip.write_text("{")
    report = check("afewva", tmp_path)
    assert [finding.where for finding in report.faults] == [f"{clip}, line 1"]
    assert found(report, "files not found")[0].severity == "note"


def test_unknown_names_and_options_are_usage_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnknownNameError, match="ferplus"):
        check("ferpus", tmp_path)
    command = ["data", "check", "ferplus", "--root", str(write_ferplus(tmp_path))]
    assert main([*command, "--against", "rafdb"]) == 1
    assert "expected NAME=DIR" in capsys.readouterr().err
    assert main([*command, "--set", "rul=majority"]) == 1
    assert "rul" in capsys.readouterr().err


@pytest.fixture
def thumbnails() -> Picture:
    pictures = [smooth(seed) for seed in range(300)]
    small = [cv2.resize(one, (32, 32), interpolation=cv2.INTER_AREA) for one in pictures]
    return np.stack([np.asarray(cv2.cvtColor(one, cv2.COLOR_RGB2GRAY), np.uint8) for one in small])


def test_different_pictures_are_no_near_duplicates(thumbnails: Picture) -> None:
    assert len(near_pairs(thumbnails)) == 0


def test_search_by_pieces_finds_what_comparing_all_finds(thumbnails: Picture) -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 14, thumbnails.shape)
    both = np.concatenate([thumbnails, (thumbnails + noise).clip(0, 255).astype(np.uint8)])
    hashes = perceptual_hashes(both)
    apart = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = np.argwhere(np.triu(apart <= 6, 1))
    assert 50 < len(expected) < 300
    np.testing.assert_array_equal(near_pairs(both, 6, correlation=-1), expected)


@pytest.mark.parametrize("change", ["compressed", "smaller", "larger", "brighter", "grey"])
def test_changed_copies_are_near_duplicates(change: str, faces: Faces) -> None:
    pixels = smooth(1)
    changed = {
        "compressed": lambda: cv2.imdecode(
            cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 20])[1], 1
        ),
        "smaller": lambda: cv2.resize(pixels, (48, 48), interpolation=cv2.INTER_AREA),
        "larger": lambda: cv2.resize(pixels, (150, 150), interpolation=cv2.INTER_CUBIC),
        "brighter": lambda: cv2.convertScaleAbs(pixels, alpha=0.8, beta=40),
        "grey": lambda: cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY),
    }[change]()
    first = faces.add("a.png", "happiness,,,train", pixels=pixels)
    faces.add("b.png", "anger,,,test", pixels=np.asarray(changed, np.uint8))
    for i in range(5):
        faces.add(f"other{i}.png", "anger,,,train", pixels=smooth(10 + i))
    report = check("table", faces.root)
    pairs = [finding for finding in report.findings if "duplicate" in finding.kind]
    assert [(pair.kind, pair.where) for pair in pairs] == [
        ("near duplicate across splits, other label", first)
    ]
    assert "labels happiness and anger" in pairs[0].message


def test_frames_of_a_clip_are_no_duplicates(faces: Faces) -> None:
    for i in range(3):
        faces.add(f"a{i}.png", "happiness,,,train", rest=f",a,{i}", pixels=smooth(1))
    lone = faces.add("b0.png", "happiness,,,train", rest=",b,0", pixels=smooth(1) // 2 + 60)
    faces.add("b1.png", "happiness,,,train", rest=",b,1", pixels=smooth(1) // 2 + 60)
    report = check("table", faces.root)
    pairs = [finding for finding in report.findings if "duplicate" in finding.kind]
    assert len(pairs) == 1
    assert pairs[0].kind == "near duplicate"
    assert lone.rpartition(" ")[2] in pairs[0].message or "b1.png" in pairs[0].message


def test_against_names_pictures_of_another_data_set(faces: Faces, tmp_path: Path) -> None:
    first = faces.add("a.png", "anger,,,train", pixels=smooth(1))
    second = faces.add("b.png", "anger,,,train", pixels=smooth(2))
    faces.add("c.png", "anger,,,train", pixels=smooth(3))
    other = tmp_path / "other"
    write_picture(other / "anger" / "same.png", smooth(1))
    write_picture(other / "anger" / "again.png", smooth(1))  # their own duplicates are not ours
    write_picture(other / "happiness" / "alike.jpg", smooth(2))
    report = check("table", faces.root, against={"folder": other})
    pairs = {(pair.kind, pair.where) for pair in report.findings if "duplicate" in pair.kind}
    assert ("exact duplicate in folder", first) in pairs
    assert ("near duplicate in folder, other label", second) in pairs
    assert len(pairs) == 2
    missing = check("table", faces.root, against={"folder": tmp_path / "nowhere"})
    assert [finding.kind for finding in missing.faults] == ["files not found"]


def test_faults_are_collected_or_raised() -> None:
    with pytest.raises(DataError, match="first"), one_row():
        raise DataError("first")
    with all_faults() as collected:
        for name in ("first", "second"):
            with one_row():
                raise DataError(name)
    assert [str(error) for error in collected] == ["first", "second"]
    with pytest.raises(DataError), one_row():
        raise DataError("after")
