"""Data modules, one per data set; recipes name them as ``affectzoo.datamodules.NAME``."""

from affectzoo.datamodules.afew import AFEW
from affectzoo.datamodules.afewva import AFEWVA
from affectzoo.datamodules.affectnet import AffectNet
from affectzoo.datamodules.affwild import AffWild, AffWild2
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datamodules.ckplus import CKPlus
from affectzoo.datamodules.cremad import CREMAD
from affectzoo.datamodules.expw import ExpW
from affectzoo.datamodules.fer2013 import FER2013
from affectzoo.datamodules.ferplus import FERPlus
from affectzoo.datamodules.jaffe import JAFFE
from affectzoo.datamodules.mmi import MMI
from affectzoo.datamodules.own import Folder, Joined, Table
from affectzoo.datamodules.rafdb import RAFDB
from affectzoo.datamodules.recola import RECOLA
from affectzoo.datamodules.semaine import SEMAINE
from affectzoo.datamodules.sfew import SFEW

__all__ = [
    "AFEW",
    "AFEWVA",
    "CREMAD",
    "FER2013",
    "JAFFE",
    "MMI",
    "RAFDB",
    "RECOLA",
    "SEMAINE",
    "SFEW",
    "AffWild",
    "AffWild2",
    "AffectNet",
    "CKPlus",
    "ExpW",
    "FERPlus",
    "FaceDataModule",
    "Folder",
    "Joined",
    "Table",
]
