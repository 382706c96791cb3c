"""A model as a folder that others can load, checked, and as one commit on the Hub.

    from affectzoo.hub.publishing import build, publish

    built = build("runs/x", Path("out"), repo="lab/net", license={"weights": "Apache-2.0", ...})
    publish(built.folder, "lab/net", tag="v1")

The folder holds the weights, ``config.json``, the card, the recipe, benchmark records and the golden face.
The same weights and options make the same bytes, so that publishing again changes nothing.
"""

from affectzoo.hub.publishing.build import Built, Check, build
from affectzoo.hub.publishing.upload import Published, publish

__all__ = ["Built", "Check", "Published", "build", "publish"]
