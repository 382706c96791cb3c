"""A benchmark's records for others: without places of the machine that made them."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.records import make_record

from affectzoo.errors import AffectZooError
from affectzoo.hub.public_records import portable_command, public_key, public_record


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--data a=/a/b --data b=/c --models x=/home/me/run", "--data a=DIR --data b=DIR --models net"),
        ("--models 'x=/r/fold_{fold}' --note 'a b'", "--models 'DIR/fold_{fold}' --note 'a b'"),
        ("--detector yunet --detector-file '/w w/y.onnx'", "--detector yunet --detector-file FILE"),
        (
            "--protocol p --split test --set every=2 --out /t/o",
            "--protocol p --split test --set every=2 --out board",
        ),
    ],
)
def test_commands_are_for_any_machine(given: str, expected: str) -> None:
    found = portable_command(f"affectzoo benchmark {given}", "net")
    assert found == f"affectzoo benchmark {expected}"
    assert portable_command(found, "net") == found


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            "--config recipes/a/b.yaml --data.root /me/faces --model.weights runs/mine",
            "--config recipes/a/b.yaml --data.root DIR --model.weights net",
        ),
        ("--config=/me/runs/x/config.yaml --data.root=/me/d", "--config recipe.yaml --data.root DIR"),
        ("--ckpt_path /me/runs/x/checkpoints/best.ckpt --run_dir /me/x", "--model.weights net"),
        ("--run_dir=/me/x --data.test_split valid", "--data.test_split valid"),
    ],
)
def test_tests_are_for_any_machine_too(given: str, expected: str) -> None:
    found = portable_command(f"affectzoo test {given}", "net")
    assert found == f"affectzoo test {expected}"
    assert portable_command(found, "net") == found


def measured(**changes: Any) -> dict[str, Any]:
    spec = "/home/me/run"
    fields = {"key": "ferplus_valid--home-me-run-1a2b3c4d", "spec": spec, "predictions": "predictions/x.csv"}
    return make_record(spec, **{**fields, "command": f"affectzoo benchmark --models {spec}", **changes})


def test_a_public_record_names_no_place() -> None:
    record = measured(model={"training": {"seed": 3, "unreadable": ["/data/fer/x.png: broken"]}})
    public = public_record(record, "net", "hf-hub:lab/net", key="k")
    assert public["model"] == {**record["model"], "training": {"seed": 3, "unreadable": ["x.png: broken"]}}
    assert {name: public[name] for name in ("key", "system", "spec", "command")} == {
        "key": "k",
        "system": "net",
        "spec": "hf-hub:lab/net",
        "command": "affectzoo benchmark --models hf-hub:lab/net",
    }
    changed = {"key", "system", "spec", "command", "model", "predictions"}
    assert {name for name in record if public.get(name) != record[name]} == changed
    assert list(public) == [name for name in record if name != "predictions"]


def test_a_system_keeps_the_name_that_it_was_given() -> None:
    record = {**measured(), "system": "ours"}
    assert public_record(record, "net", "hf-hub:lab/net", key="k")["system"] == "ours"


def test_public_keys_do_not_name_the_system() -> None:
    record = measured()
    assert public_key(record) == "ferplus_valid-1a2b3c4d"
    assert public_key(record, "net.tag") == "ferplus_valid-net.tag-1a2b3c4d"
    assert public_key({**record, "key": public_key(record)}) == public_key(record)
    split = measured(protocol={"name": None, "split": "test"})
    assert public_key(split) == "ferplus_test_split-1a2b3c4d"


@pytest.mark.parametrize("key", ["../x", "a b", ""])
def test_keys_are_names_of_files(key: str) -> None:
    with pytest.raises(AffectZooError, match=r"a record called .*: expected letters, digits and"):
        public_record(measured(), "net", "net", key=key)
