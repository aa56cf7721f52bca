"""How a generator runs: torch as it is or compiled, or an ONNX graph in onnxruntime or TensorRT."""
