"""onnxruntime (CPU) as a rival: forward convolutions and matrix products as one-node graphs. See protocol.py."""
import os

import onnxruntime as ort
from onnx import TensorProto, helper

from protocol import fill, mean_abs, measure, serve

THREADS = int(os.environ.get("PEER_THREADS", "1"))


def session(node, inputs, output):
    tensors = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs]
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, output)
    model = helper.make_model(helper.make_graph([node], "peer", tensors, [out]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    o = ort.SessionOptions()
    o.intra_op_num_threads, o.inter_op_num_threads = THREADS, 1
    o.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])


def run(s, feeds, budget):
    binding = s.io_binding()
    for name, value in feeds.items():
        binding.bind_cpu_input(name, value)
    binding.bind_output("y", "cpu")
    secs = measure(lambda: s.run_with_iobinding(binding), float(budget))
    return secs, mean_abs(binding.copy_outputs_to_cpu()[0])


def gemm(batch, m, n, k, ta, tb, budget):
    batch, m, n, k, ta, tb = map(int, (batch, m, n, k, ta, tb))
    if batch > 1 and (ta or tb):
        raise NotImplementedError("batched products with transposes")
    a, b = fill((batch, k, m) if ta else (batch, m, k), 1), fill((batch, n, k) if tb else (batch, k, n), 2)
    if batch == 1:
        a, b = a[0], b[0]
        node, out = helper.make_node("Gemm", ["a", "b"], ["y"], transA=ta, transB=tb), [m, n]
    else:
        node, out = helper.make_node("MatMul", ["a", "b"], ["y"]), [batch, m, n]
    return run(session(node, [("a", a.shape), ("b", b.shape)], out), {"a": a, "b": b}, budget)


def conv(direction, *args):
    if direction != "fwd":
        raise NotImplementedError("onnxruntime has no backward convolution")
    *ints, budget = args
    n, h, w, c, k, r, s, stride, pad, dil, groups = map(int, ints)
    x = fill((n, h, w, c), 1).transpose(0, 3, 1, 2).copy()
    f = fill((k, r, s, c // groups), 2).transpose(0, 3, 1, 2).copy()
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[stride] * 2, pads=[pad] * 4, dilations=[dil] * 2, group=groups)
    p, q = ((e + 2 * pad - dil * (t - 1) - 1) // stride + 1 for e, t in ((h, r), (w, s)))
    return run(session(node, [("x", x.shape), ("w", f.shape)], [n, k, p, q]), {"x": x, "w": f}, budget)


serve(f"onnxruntime {ort.__version__}", {"gemm": gemm, "conv": conv})
