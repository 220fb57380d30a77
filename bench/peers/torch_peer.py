"""PyTorch (eager, CPU) as a rival; see protocol.py."""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
import numpy as np

from protocol import fill, mean_abs, measure, serve

torch.set_num_threads(int(os.environ.get("PEER_THREADS", "1")))


def gemm(batch, m, n, k, ta, tb, budget):
    batch, m, n, k, ta, tb = map(int, (batch, m, n, k, ta, tb))
    a = torch.from_numpy(fill((batch, k, m) if ta else (batch, m, k), 1))
    b = torch.from_numpy(fill((batch, n, k) if tb else (batch, k, n), 2))
    a, b = (a.transpose(1, 2) if ta else a), (b.transpose(1, 2) if tb else b)
    if batch == 1:
        a, b = a[0], b[0]
    c = torch.empty(*a.shape[:-1], n)
    return measure(lambda: torch.matmul(a, b, out=c), float(budget)), mean_abs(c.numpy())


def conv(direction, *args):
    *ints, budget = args
    n, h, w, c, k, r, s, stride, pad, dil, groups = map(int, ints)
    x = torch.from_numpy(fill((n, h, w, c), 1)).permute(0, 3, 1, 2)
    f = torch.from_numpy(fill((k, r, s, c // groups), 2)).permute(0, 3, 1, 2)
    if direction == "fwd":
        call = lambda: F.conv2d(x, f, None, stride, pad, dil, groups)
    else:
        y = F.conv2d(x, f, None, stride, pad, dil, groups)
        p, q = y.shape[2:]
        dy = torch.from_numpy(fill((n, p, q, k), 3)).permute(0, 3, 1, 2)
        if direction == "bwd_data":
            call = lambda: nn.grad.conv2d_input(x.shape, f, dy, stride, pad, dil, groups)
        else:
            call = lambda: nn.grad.conv2d_weight(x, f.shape, dy, stride, pad, dil, groups)
    return measure(call, float(budget)), mean_abs(call().numpy())


class SimpleNet(nn.Sequential):
    def __init__(self, widths, side, channels):
        layers, c = [], channels
        for token in widths.split():
            if token == "p":
                layers.append(nn.MaxPool2d(2, 2, ceil_mode=True))
                continue
            width, _, kernel = token.partition("k")
            k = int(kernel or 3)
            layers += [nn.Conv2d(c, int(width), k, padding=k // 2), nn.BatchNorm2d(int(width)), nn.ReLU()]
            c = int(width)
        super().__init__(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(c, 10))
        self.input = (channels, side, side)


class Block(nn.Module):
    def __init__(self, c, width, stride):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(c, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                               nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.short = nn.Identity() if c == width else nn.Sequential(
            nn.Conv2d(c, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        return F.relu(self.f(x) + self.short(x))


class ResNet20(nn.Sequential):
    def __init__(self):
        layers, c = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()], 16
        for width in (16, 32, 64):
            for i in range(3):
                layers.append(Block(c, width, 2 if i == 0 and width > 16 else 1))
                c = width
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
        self.input = (3, 32, 32)


class Bottleneck(nn.Module):
    def __init__(self, c, width, stride):
        super().__init__()
        self.f = nn.Sequential(nn.Conv2d(c, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                               nn.Conv2d(width, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
                               nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width))
        self.short = nn.Identity() if c == 4 * width and stride == 1 else nn.Sequential(
            nn.Conv2d(c, 4 * width, 1, stride, bias=False), nn.BatchNorm2d(4 * width))

    def forward(self, x):
        return F.relu(self.f(x) + self.short(x))


class ResNet50(nn.Sequential):
    def __init__(self):
        layers, c = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], 64
        for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
            for i in range(blocks):
                layers.append(Bottleneck(c, width, 2 if i == 0 and width > 64 else 1))
                c = 4 * width
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 1000))
        self.input = (3, 224, 224)


class Transformer(nn.Module):
    def __init__(self, layers=4, d=256, heads=4, hidden=1024, length=128, vocab=1000):
        super().__init__()
        self.emb, self.pos = nn.Embedding(vocab, d), nn.Parameter(torch.randn(length, d))
        layer = nn.TransformerEncoderLayer(d, heads, hidden, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, layers, nn.LayerNorm(d))
        self.head = nn.Linear(d, 10)
        self.input = (length,)

    def forward(self, x):
        return self.head(self.blocks(self.emb(x) + self.pos).mean(1))


MODELS = {
    "simplenet-slim": lambda: SimpleNet("64 32 32 32 p 32 32 64 p 64 64 p 128 256k1 64k1 p 64 p", 28, 1),
    "simplenet": lambda: SimpleNet("64 128 128 128 p 128 128 256 p 256 256 p 512 2048k1 256k1 p 256 p", 32, 3),
    "resnet20": ResNet20,
    "resnet50": ResNet50,
    "transformer": Transformer,
}


def train(model, batch, budget):
    if model not in MODELS:
        raise NotImplementedError(f"no model {model}")
    net, batch = MODELS[model](), int(batch)
    rng = np.random.default_rng(1)
    if len(net.input) == 1:
        x = torch.from_numpy(rng.integers(0, 1000, (batch, *net.input)))
    else:
        x = torch.from_numpy(rng.normal(size=(batch, *net.input)).astype(np.float32)).to(memory_format=torch.channels_last)
        net = net.to(memory_format=torch.channels_last)
    y = torch.from_numpy(rng.integers(0, 10, batch))
    opt = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    last = [0.0]

    def call():
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        opt.step()
        last[0] = loss.item()

    return measure(call, float(budget)), last[0]


if __name__ == "__main__":
    serve(f"pytorch {torch.__version__}", {"gemm": gemm, "conv": conv, "train": train})
