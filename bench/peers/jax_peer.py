"""JAX (jit, CPU) as a rival; see protocol.py."""
import functools

import jax
import jax.numpy as jnp
from jax import lax
import numpy as np

from protocol import fill, mean_abs, measure, serve


def gemm(batch, m, n, k, ta, tb, budget):
    batch, m, n, k, ta, tb = map(int, (batch, m, n, k, ta, tb))
    a = jnp.asarray(fill((batch, k, m) if ta else (batch, m, k), 1))
    b = jnp.asarray(fill((batch, n, k) if tb else (batch, k, n), 2))

    @jax.jit
    def f(a, b):
        return jnp.matmul(a.swapaxes(1, 2) if ta else a, b.swapaxes(1, 2) if tb else b)

    return measure(lambda: f(a, b).block_until_ready(), float(budget)), mean_abs(f(a, b))


def conv(direction, *args):
    *ints, budget = args
    n, h, w, c, k, r, s, stride, pad, dil, groups = map(int, ints)
    x, f = jnp.asarray(fill((n, h, w, c), 1)), jnp.asarray(fill((k, r, s, c // groups), 2))

    def fwd(x, f):
        return lax.conv_general_dilated(x, f, (stride, stride), [(pad, pad)] * 2, rhs_dilation=(dil, dil),
                                        dimension_numbers=("NHWC", "OHWI", "NHWC"), feature_group_count=groups)

    if direction == "fwd":
        g, io = jax.jit(fwd), (x, f)
    else:
        dy = jnp.asarray(fill(jax.eval_shape(fwd, x, f).shape, 3))
        arg = 0 if direction == "bwd_data" else 1
        g, io = jax.jit(lambda x, f, dy: jax.vjp(fwd, x, f)[1](dy)[arg]), (x, f, dy)
    return measure(lambda: g(*io).block_until_ready(), float(budget)), mean_abs(g(*io))


def conv2d(x, w, stride=1):
    return lax.conv_general_dilated(x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def batch_norm(x, p):
    mean = x.mean((0, 1, 2))
    var = x.var((0, 1, 2))
    return (x - mean) * (p[0] * lax.rsqrt(var + 1e-5)) + p[1]


def max_pool(x):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")


class Model:
    """Parameters made in order, as the forward function asks for them."""

    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.shapes, self.values = [], []

    def weight(self, *shape):
        fan_in = int(np.prod(shape[:-1])) or 1
        return jnp.asarray(self.rng.normal(0, (2 / fan_in) ** 0.5, shape).astype(np.float32))


def simplenet(widths, side, channels):
    m = Model()
    params, plan, c = [], [], channels
    for token in widths.split():
        if token == "p":
            plan.append("p")
            continue
        width, _, kernel = token.partition("k")
        k = int(kernel or 3)
        params.append((m.weight(k, k, c, int(width)), jnp.zeros(int(width)), jnp.ones(int(width)), jnp.zeros(int(width))))
        plan.append("c")
        c = int(width)
    head = (m.weight(c, 10), jnp.zeros(10))

    def forward(params, x):
        convs, (w, b) = params
        convs = iter(convs)
        for step in plan:
            if step == "p":
                x = max_pool(x)
            else:
                f, bias, *norm = next(convs)
                x = jax.nn.relu(batch_norm(conv2d(x, f) + bias, norm))
        return x.max((1, 2)) @ w + b

    return forward, (params, head), (side, side, channels)


def resnet20():
    m = Model()

    def bn(c):
        return jnp.ones(c), jnp.zeros(c)

    params = [(m.weight(3, 3, 3, 16), bn(16))]
    c, blocks = 16, []
    for width in (16, 32, 64):
        for i in range(3):
            stride = 2 if i == 0 and width > 16 else 1
            short = (m.weight(1, 1, c, width), bn(width)) if c != width else None
            blocks.append(stride)
            params.append((m.weight(3, 3, c, width), bn(width), m.weight(3, 3, width, width), bn(width), short))
            c = width
    params.append((m.weight(64, 10), jnp.zeros(10)))

    def forward(params, x):
        w, p = params[0]
        x = jax.nn.relu(batch_norm(conv2d(x, w), p))
        for stride, (w1, p1, w2, p2, short) in zip(blocks, params[1:-1]):
            y = jax.nn.relu(batch_norm(conv2d(x, w1, stride), p1))
            y = batch_norm(conv2d(y, w2), p2)
            x = jax.nn.relu(y + (x if short is None else batch_norm(conv2d(x, short[0], stride), short[1])))
        w, b = params[-1]
        return x.mean((1, 2)) @ w + b

    return forward, params, (32, 32, 3)


def transformer(layers=4, d=256, heads=4, hidden=1024, length=128, vocab=1000):
    m = Model()

    def norm_params():
        return jnp.ones(d), jnp.zeros(d)

    blocks = [(norm_params(), m.weight(d, 3 * d), jnp.zeros(3 * d), m.weight(d, d), jnp.zeros(d), norm_params(),
               m.weight(d, hidden), jnp.zeros(hidden), m.weight(hidden, d), jnp.zeros(d)) for _ in range(layers)]
    params = (m.weight(vocab, d), m.weight(length, d), blocks, norm_params(), m.weight(d, 10), jnp.zeros(10))

    def layer_norm(x, p):
        mean = x.mean(-1, keepdims=True)
        var = x.var(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-5) * p[0] + p[1]

    def forward(params, tokens):
        emb, pos, blocks, last, w, b = params
        x = emb[tokens] + pos
        n = x.shape[0]
        for n1, wqkv, bqkv, wo, bo, n2, w1, b1, w2, b2 in blocks:
            qkv = (layer_norm(x, n1) @ wqkv + bqkv).reshape(n, length, 3, heads, d // heads)
            q, k, v = (qkv[:, :, i].swapaxes(1, 2) for i in range(3))
            a = jax.nn.softmax(q @ k.swapaxes(2, 3) * (d // heads) ** -0.5)
            x = x + (a @ v).swapaxes(1, 2).reshape(n, length, d) @ wo + bo
            x = x + jax.nn.gelu(layer_norm(x, n2) @ w1 + b1, approximate=False) @ w2 + b2
        return layer_norm(x, last).mean(1) @ w + b

    return forward, params, (length,)


MODELS = {
    "simplenet-slim": lambda: simplenet("64 32 32 32 p 32 32 64 p 64 64 p 128 256k1 64k1 p 64 p", 28, 1),
    "simplenet": lambda: simplenet("64 128 128 128 p 128 128 256 p 256 256 p 512 2048k1 256k1 p 256 p", 32, 3),
    "resnet20": resnet20,
    "transformer": transformer,
}


@functools.cache
def training_step(model, batch):
    """The compiled step of a model and the state that it goes on from."""
    if model not in MODELS:
        raise NotImplementedError(f"no model {model}")
    forward, params, shape = MODELS[model]()
    rng = np.random.default_rng(1)
    x = rng.integers(0, 1000, (batch, *shape)) if len(shape) == 1 else rng.normal(size=(batch, *shape)).astype(np.float32)
    x, y = jnp.asarray(x), jnp.asarray(rng.integers(0, 10, batch))

    def loss(params):
        return -jnp.take_along_axis(jax.nn.log_softmax(forward(params, x)), y[:, None], 1).mean()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, velocity):
        value, grads = jax.value_and_grad(loss)(params)
        velocity = jax.tree.map(lambda v, g: 0.9 * v + g, velocity, grads)
        return jax.tree.map(lambda p, v: p - 0.001 * v, params, velocity), velocity, value

    return step, [params, jax.tree.map(jnp.zeros_like, params), None]


def train(model, batch, budget):
    step, state = training_step(model, int(batch))

    def call():
        state[:] = step(state[0], state[1])
        state[2].block_until_ready()

    return measure(call, float(budget)), float(state[2])


serve(f"jax {jax.__version__}", {"gemm": gemm, "conv": conv, "train": train})
