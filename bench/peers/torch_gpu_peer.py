"""PyTorch on a GPU as a rival (cuBLAS, cuDNN, its own kernels; with PEER_COMPILE=1 training steps go through torch.compile). Requests are those of
protocol.py after the name of a precision (f32, tf32, bf16, f16), and

    PRECISION memory NAME EXTENT... SECONDS  ->  ok SECONDS CHECKSUM

A call is timed alone between two events, with a cold second-level cache, behind a kernel that hides the time it takes to submit.
"""
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from protocol import fill, serve
from torch_peer import MODELS

if not torch.cuda.is_available():
    raise SystemExit("no GPU")

DEVICE = torch.device("cuda", int(os.environ.get("PEER_GPU", "0")))
DTYPES = {"f32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
COMPILE = os.environ.get("PEER_COMPILE") == "1"
flush = torch.empty(256 << 20, dtype=torch.uint8, device=DEVICE)


def precision(name):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
    torch.backends.cudnn.benchmark = True
    return DTYPES[name]


def tensor(shape, seed, dtype=torch.float32):
    return torch.from_numpy(fill(shape, seed)).to(DEVICE).to(dtype)


def mean_abs(y):
    return float(y.double().abs().mean().item())


def measure(call, budget):
    for _ in range(3):
        call()
    torch.cuda.synchronize()
    times, start = [], time.perf_counter()
    while len(times) < 10 or (time.perf_counter() - start < budget and len(times) < 1000):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        flush.zero_()
        begin.record()
        call()
        end.record()
        end.synchronize()
        times.append(begin.elapsed_time(end) / 1e3)
    return sorted(times)[len(times) // 2]


def gemm(dtype, batch, m, n, k, ta, tb, budget):
    batch, m, n, k, ta, tb = map(int, (batch, m, n, k, ta, tb))
    a = tensor((batch, k, m) if ta else (batch, m, k), 1, dtype)
    b = tensor((batch, n, k) if tb else (batch, k, n), 2, dtype)
    a, b = (a.transpose(1, 2) if ta else a), (b.transpose(1, 2) if tb else b)
    if batch == 1:
        a, b = a[0], b[0]
    c = torch.empty(*a.shape[:-1], n, device=DEVICE, dtype=dtype)
    return measure(lambda: torch.matmul(a, b, out=c), float(budget)), mean_abs(c)


def conv(dtype, direction, *args):
    *ints, budget = args
    n, h, w, c, k, r, s, stride, pad, dil, groups = map(int, ints)
    x = tensor((n, h, w, c), 1, dtype).permute(0, 3, 1, 2)
    f = tensor((k, r, s, c // groups), 2, dtype).permute(0, 3, 1, 2)
    if direction == "fwd":
        call = lambda: F.conv2d(x, f, None, stride, pad, dil, groups)
    else:
        p, q = F.conv2d(x[:1], f, None, stride, pad, dil, groups).shape[2:]
        dy = tensor((n, p, q, k), 3, dtype).permute(0, 3, 1, 2)
        mask = [direction == "bwd_data", direction == "bwd_filter", False]
        call = lambda: [g for g in torch.ops.aten.convolution_backward(
            dy, x, f, None, [stride] * 2, [pad] * 2, [dil] * 2, False, [0, 0], groups, mask) if g is not None][0]
    return measure(call, float(budget)), mean_abs(call())


def memory(dtype, name, *args):
    *extents, budget = args
    e = [int(v) for v in extents]
    x = tensor(e if name not in ("batch_norm", "max_pool") else (e[0], e[1], e[1], e[2]), 1)
    out = torch.empty_like(x)
    image = x.permute(0, 3, 1, 2) if x.dim() == 4 else None
    y = tensor(e, 2) if name in ("add", "add_gelu", "adam") else None
    if name == "batch_norm":
        scale = torch.ones(e[2], device=DEVICE)
        mean, var = torch.zeros(e[2], device=DEVICE), torch.ones(e[2], device=DEVICE)
    if name == "adam":
        p = torch.nn.Parameter(x)
        p.grad = y
        opt = torch.optim.Adam([p], fused=True)
        return measure(opt.step, float(budget)), 0.0
    call = {
        "copy": lambda: out.copy_(x),
        "add": lambda: torch.add(x, y, out=out),
        "add_gelu": lambda: F.gelu(x + y),
        "sum_rows": lambda: x.sum(1),
        "sum_columns": lambda: x.sum(0),
        "softmax": lambda: F.softmax(x, -1),
        "layer_norm": lambda: F.layer_norm(x, x.shape[-1:]),
        "batch_norm": lambda: F.batch_norm(image, mean, var, scale, scale, True),
        "transpose": lambda: x.t().contiguous(),
        "max_pool": lambda: F.max_pool2d(image, 2, 2),
    }.get(name)
    if call is None:
        raise NotImplementedError(f"no {name}")
    return measure(call, float(budget)), 0.0  # what else a kernel writes differs: checksums are not compared


def train(name, model, batch, budget):
    if model not in MODELS:
        raise NotImplementedError(f"no model {model}")
    dtype, batch = DTYPES[name], int(batch)
    net = MODELS[model]()
    shape = net.input
    rng = np.random.default_rng(1)
    if len(shape) == 1:
        x = torch.from_numpy(rng.integers(0, 1000, (batch, *shape))).to(DEVICE)
        net = net.to(DEVICE)
    else:
        x = torch.from_numpy(rng.normal(size=(batch, *shape)).astype(np.float32)).to(DEVICE).to(memory_format=torch.channels_last)
        net = net.to(DEVICE).to(memory_format=torch.channels_last)
    y = torch.from_numpy(rng.integers(0, 10, batch)).to(DEVICE)
    opt = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    scaler = torch.amp.GradScaler(enabled=dtype == torch.float16)
    run = torch.compile(net) if COMPILE else net

    def call():
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cuda", dtype=dtype, enabled=dtype != torch.float32):
            loss = F.cross_entropy(run(x).float(), y)
        scaler.scale(loss).backward()
        scaler.step(opt)
        scaler.update()
        torch.cuda.synchronize()
        return loss

    for _ in range(5):
        call()
    times, start = [], time.perf_counter()
    while len(times) < 5 or (time.perf_counter() - start < float(budget) and len(times) < 200):
        t = time.perf_counter()
        loss = call()
        times.append(time.perf_counter() - t)
    return sorted(times)[len(times) // 2], float(loss.item())


def handler(name):
    def handle(verb, *args):
        dtype = precision(name)
        if COMPILE and verb != "train":
            raise NotImplementedError("only training steps are compiled")
        if verb == "train":
            return train(name, *args)
        return {"gemm": gemm, "conv": conv, "memory": memory}[verb](dtype, *args)
    return handle


serve(f"pytorch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, {torch.cuda.get_device_name(DEVICE)}",
      {name: handler(name) for name in DTYPES})
