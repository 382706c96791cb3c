"""Data modules, one per data set; recipes name them as ``affectzoo.datamodules.NAME``."""

from affectzoo.datamodules.afewva import AFEWVA
from affectzoo.datamodules.affectnet import AffectNet
from affectzoo.datamodules.base import FaceDataModule
from affectzoo.datamodules.fer2013 import FER2013
from affectzoo.datamodules.ferplus import FERPlus
from affectzoo.datamodules.own import Folder, Table
from affectzoo.datamodules.rafdb import RAFDB

__all__ = ["AFEWVA", "FER2013", "RAFDB", "AffectNet", "FERPlus", "FaceDataModule", "Folder", "Table"]
