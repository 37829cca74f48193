#!/usr/bin/env python3
"""Handmill beside PyTorch: the cases of this folder's `peers`, with its data, run in turn.

    cargo build --release --manifest-path benches/peers/Cargo.toml
    python3 benches/peers/pytorch.py [--only REGEX] [--json FILE] [--samples N]

On the CPU always; where CUDA is there, eager and compiled, with TF32 off and on. Every result is compared with the f64
reference before it is timed.
"""

import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
# TF32 rounds the factors to 11 bits.
TF32_TOLERANCE = 1e-2
WARM_UP = 3
SAMPLE_SECONDS = 0.005


def fail(message):
    print(f"pytorch.py: {message}", file=sys.stderr)
    sys.exit(1)


def load(path):
    """The tensors of a safetensors file, by name."""
    raw = bytearray(path.read_bytes())
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8 : 8 + length])
    header.pop("__metadata__", None)
    dtypes = {"F32": torch.float32, "I32": torch.int32, "I64": torch.int64}
    tensors = {}
    for name, info in header.items():
        first, end = (8 + length + at for at in info["data_offsets"])
        flat = torch.frombuffer(raw[first:end], dtype=dtypes[info["dtype"]]).clone()
        tensors[name] = flat.reshape(info["shape"])
    return tensors


def kernel(name, t):
    """The function that computes the kernel case `name` of tensors `t`."""
    op = name.split("/")[0]
    if op == "matmul":
        return lambda: t["a"] @ t["w"]
    if op == "conv2d":
        return lambda: F.conv2d(t["x"], t["w"], padding=t["w"].shape[2] // 2)
    if op == "attention":
        causal = name.endswith("causal")
        # Handmill writes (B, T, H, D); a view here.
        return lambda: F.scaled_dot_product_attention(t["q"], t["k"], t["v"], is_causal=causal).transpose(1, 2)
    if op == "softmax":
        return lambda: torch.softmax(t["x"], -1)
    if op == "layer_norm":
        return lambda: F.layer_norm(t["x"], t["w"].shape, t["w"], t["b"], 1e-5)
    if op == "add":
        return lambda: t["a"] + t["b"]
    if op == "gelu":
        return lambda: F.gelu(t["x"])
    return None


def bert_layer(t):
    """BERT-base with one layer (Devlin et al. 2018)."""

    def linear(key, x):
        return F.linear(x, t[key + ".weight"], t[key + ".bias"])

    def norm(key, x):
        return F.layer_norm(x, (768,), t[key + ".weight"], t[key + ".bias"], 1e-12)

    def heads(x):
        return x.unflatten(-1, (12, 64)).transpose(1, 2)

    def run():
        ids, at = t["input_ids"], "encoder.layer.0."
        x = F.embedding(ids, t["embeddings.word_embeddings.weight"])
        x = x + t["embeddings.token_type_embeddings.weight"][:1] + t["embeddings.position_embeddings.weight"][: ids.shape[1]]
        x = norm("embeddings.LayerNorm", x)
        q, k, v = (heads(linear(f"{at}attention.self.{n}", x)) for n in ("query", "key", "value"))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = norm(at + "attention.output.LayerNorm", linear(at + "attention.output.dense", y) + x)
        y = F.gelu(linear(at + "intermediate.dense", x))
        x = norm(at + "output.LayerNorm", linear(at + "output.dense", y) + x)
        return x, torch.tanh(linear("pooler.dense", x[:, 0]))

    return run


def unet_block(t):
    """A residual block and an attention of google/ddpm-cifar10-32 (Ho et al. 2020)."""

    def norm(key, x):
        return F.group_norm(x, 32, t[key + ".weight"], t[key + ".bias"], 1e-6)

    def conv(key, x):
        w = t[key + ".weight"]
        return F.conv2d(x, w, t[key + ".bias"], padding=w.shape[2] // 2)

    def linear(key, x):
        return F.linear(x, t[key + ".weight"], t[key + ".bias"])

    def run():
        x, at = t["sample"], "attentions.0."
        h = conv("resnets.0.conv1", F.silu(norm("resnets.0.norm1", x)))
        h = h + linear("resnets.0.time_emb_proj", F.silu(t["time_embedding"]))[:, :, None, None]
        h = conv("resnets.0.conv2", F.silu(norm("resnets.0.norm2", h)))
        x = conv("resnets.0.conv_shortcut", x) + h
        tokens = norm(at + "group_norm", x).flatten(2).transpose(1, 2)
        q, k, v = (linear(at + n, tokens)[:, None] for n in ("to_q", "to_k", "to_v"))
        y = linear(at + "to_out.0", F.scaled_dot_product_attention(q, k, v)[:, 0])
        return y.transpose(1, 2).reshape(x.shape) + x

    return run


def gpt2_decode(t):
    """A step of GPT-2 small with keys and values in caches (Radford et al. 2019)."""
    length = int(t["length"][0])
    capacity = next(v.shape[2] for k, v in t.items() if ".attn.key of " in k)

    def norm(key, x):
        return F.layer_norm(x, (768,), t[key + ".weight"], t[key + ".bias"], 1e-5)

    def conv1d(key, x):
        return torch.addmm(t[key + ".bias"], x, t[key + ".weight"])

    def run():
        x = t["transformer.wte.weight"][t["input_ids"][0].long()] + t["transformer.wpe.weight"][length - 1 : length]
        for i in range(12):
            at = f"transformer.h.{i}."
            q, k, v = conv1d(at + "attn.c_attn", norm(at + "ln_1", x)).view(3, 1, 12, 1, 64)
            keys, values = (t[f"{at}attn.{n} of 1 x {capacity}"] for n in ("key", "value"))
            keys[:, :, length - 1 : length] = k
            values[:, :, length - 1 : length] = v
            y = F.scaled_dot_product_attention(q, keys[:, :, :length], values[:, :, :length])
            x = x + conv1d(at + "attn.c_proj", y.reshape(1, 768))
            inner = F.gelu(conv1d(at + "mlp.c_fc", norm(at + "ln_2", x)), approximate="tanh")
            x = x + conv1d(at + "mlp.c_proj", inner)
        return norm("transformer.ln_f", x) @ t["transformer.wte.weight"].T

    return run


MODELS = {"bert_layer": bert_layer, "unet_block": unet_block, "gpt2_decode": gpt2_decode}


class Handmill:
    """The `peers` process that holds one case and runs it when asked."""

    def __init__(self, binary, device, name, data):
        command = [binary, "--device", device, "--only", f"^{re.escape(name)}$", "--turns", data]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        tolerance, self.adapter = self.answer().split(" ", 1)
        self.tolerance = float(tolerance)

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            fail(f"the peers binary stopped with exit status {self.process.wait()}")
        return line.strip()

    def seconds(self, times):
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        return float(self.answer())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Torch:
    """One way of PyTorch to compute a case."""

    def __init__(self, label, run, cuda=False, tf32=False):
        self.label, self.run, self.cuda, self.tf32 = label, run, cuda, tf32

    def seconds(self, times):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.tf32
        start = time.perf_counter()
        for _ in range(times):
            self.last = self.run()
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def problem(self, expected, tolerance):
        """Warms up; says what is wrong with the result, if anything."""
        for _ in range(WARM_UP):
            self.seconds(1)
        got = self.last[0] if isinstance(self.last, tuple) else self.last
        off = (got.flatten().double().cpu() - expected.double()).abs().max() / expected.abs().max()
        tolerance = TF32_TOLERANCE if self.tf32 else tolerance
        return None if off <= tolerance else f"differs by {float(off):.1e} of the largest element"


def ways(name, tensors):
    """Everything that PyTorch has for a case."""

    def function(t):
        make = MODELS.get(name.split("/")[0])
        return make(t) if make else kernel(name, t)

    on_cpu = function(tensors)
    if on_cpu is None:
        fail(f"has no function for the case {name}")
    yield Torch("torch CPU", on_cpu)
    if torch.cuda.is_available():
        eager = function({k: v.cuda() for k, v in tensors.items()})
        compiled = torch.compile(eager)
        for tf32 in (False, True):
            suffix = " TF32" if tf32 else ""
            yield Torch("torch CUDA" + suffix, eager, cuda=True, tf32=tf32)
            yield Torch("torch compiled" + suffix, compiled, cuda=True, tf32=tf32)


def quartiles(samples):
    ordered = sorted(samples)

    def at(share):
        rank = share * (len(ordered) - 1)
        low = int(rank)
        return ordered[low] + (rank - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])

    return at(0.5), at(0.75) - at(0.25)


def measure(args, name, data):
    """The rows of one case."""
    ours = Handmill(args.binary, args.device, name, data)
    tensors = load(data)
    expected = tensors.pop("expected")
    rows, ready = [], []
    for way in ways(name, tensors):
        problem = way.problem(expected, ours.tolerance)
        rows.append({"case": name, "adapter": ours.adapter, "peer": way.label, "problem": problem})
        if problem is None:
            ready.append((way, rows[-1]))
    contenders = [ours] + [way for way, _ in ready]
    times = [min(32, max(1, int(SAMPLE_SECONDS / c.seconds(1)) + 1)) for c in contenders]
    samples = [[c.seconds(n) / n for c, n in zip(contenders, times)] for _ in range(args.samples)]
    for i, (_, row) in enumerate(ready, 1):
        ratio, spread = quartiles([round[i] / round[0] for round in samples])
        row |= {
            "ours_s": quartiles([round[0] for round in samples])[0],
            "peer_s": quartiles([round[i] for round in samples])[0],
            "ratio": ratio,
            "spread": spread,
        }
    ours.close()
    return rows


def line(row):
    start = f"{row['case']:<40} "
    if row["problem"]:
        return f"{start}{'–':>12} {row['peer']:<20} {row['problem']}"
    verdict = "  we lose" if row["ratio"] < 1 else ""
    return (
        f"{start}{1e3 * row['ours_s']:>9.3f} ms {row['peer']:<20} {1e3 * row['peer_s']:>9.3f} ms "
        f"{row['ratio']:>8.3f} {100 * row['spread'] / row['ratio']:>6.1f} %{verdict}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="REGEX", default="", help="only cases whose name this finds")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the rows as a JSON list")
    parser.add_argument("--samples", type=int, default=15, help="rounds (default 15)")
    parser.add_argument("--device", default="auto", help="Handmill's adapter (default auto)")
    parser.add_argument("--binary", default=str(HERE / "target/release/peers"), help="the built peers")
    args = parser.parse_args()
    if args.samples < 3:
        parser.error(f"--samples: found {args.samples}, expected 3 or more")
    if torch is None:
        fail("PyTorch is missing: python3 -m pip install torch numpy")
    if not os.access(args.binary, os.X_OK):
        fail(f"{args.binary} is missing: cargo build --release --manifest-path benches/peers/Cargo.toml")
    listed = subprocess.run([args.binary, "--list"], capture_output=True, text=True)
    if listed.returncode != 0:
        fail(f"{args.binary} --list ends with exit status {listed.returncode}: {listed.stderr.strip()}")
    try:
        names = [name for name in listed.stdout.split() if re.search(args.only, name)]
    except re.error as e:
        fail(f"--only: {e}")
    if not names:
        fail("--only: finds no case; the peers binary's --list names them")
    cards = f", CUDA {torch.version.cuda} on {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    print(f"PyTorch {torch.__version__}, {torch.get_num_threads()} CPU threads{cards}")
    print("ratio: PyTorch's time over Handmill's, median and quartile distance; wall clock, in turn\n", flush=True)
    rows = []
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        for name in names:
            found = measure(args, name, Path(folder) / "data.safetensors")
            print("\n".join(line(row) for row in found), flush=True)
            rows += found
    if args.json:
        partial = args.json.with_name(args.json.name + ".part")
        partial.write_text(json.dumps(rows, indent=2) + "\n")
        partial.replace(args.json)
    sys.exit(3 if any(row["problem"] for row in rows) else 0)


try:
    import torch
    import torch.nn.functional as F
except ImportError:
    torch = None

if __name__ == "__main__":
    main()
