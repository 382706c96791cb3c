"""Models as files that other runtimes and languages run: ONNX and ``torch.export``.

``exporting`` writes them and needs torch; ``onnx_model`` runs ONNX files by ONNX Runtime and does without.
"""
