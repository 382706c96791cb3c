"""Checkpoints of PyTorch networks, brought into the zoo's own format.

Read are state dicts (``.pt``, ``.pth``, ``.bin``, ``.ckpt``), alone or inside a larger checkpoint, and
``.safetensors`` files. Nothing is unpickled but tensors and plain values. A file is written only when every
tensor found its place in the network (see ``placing``), and none is left.
"""
