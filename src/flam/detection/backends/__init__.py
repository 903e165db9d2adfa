"""What computes a model: ONNX Runtime, torch, or whatever else fulfils the protocol in ``base``."""
