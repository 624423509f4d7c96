"""Times PyTorch on the models that OrthoNative trains, on this machine's GPU, and prints one JSON row for each.

The peers: the recurrence as a plain loop, the same with one product a step (stacked weights), that as a CUDA graph, and
cuDNN's nn.RNN (tanh) and nn.LSTM of the same hidden size; with --layers instead the layers of a feedforward chain as a
plain loop, and that as a CUDA graph; with --cell instead cuDNN's nn.GRU or nn.LSTM, to compare with OrthoNative's cells of that
name; with --compiled instead the loop of stacked weights by torch.compile, in pieces of up
to 28 steps, whose number is in the peer's name: all steps at once may take it an hour. A training step is forward,
cross-entropy of a readout of the last state, backward and fused Adam. float32 without TF32, so that every peer computes what
OrthoNative does; where its name ends with bf16, parameters, inputs and products in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable

try:
    import torch
    from torch import nn
except ImportError:
    print("benchmark.py: PyTorch is missing", file=sys.stderr)
    sys.exit(77)  # what run.sh takes for skipped

CLASSES = 10


class Roa(nn.Module):
    """x <- alpha O x + beta tanh(W x + V u + b), over all steps of a sequence."""

    def __init__(self, hidden: int, stacked: bool) -> None:
        super().__init__()
        self.stacked = stacked
        self.hidden = hidden
        filter_matrix, _ = torch.linalg.qr(torch.randn(hidden, hidden, dtype=torch.float64))
        self.register_buffer("filter", filter_matrix.float())
        self.weight = nn.Parameter(torch.randn(hidden, hidden) * 0.5 / hidden**0.5)
        self.input_weight = nn.Parameter(torch.randn(hidden, 1) * 0.1)
        self.bias = nn.Parameter(torch.zeros(hidden))
        self.beta = 0.1

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        drive = inputs @ self.input_weight.T + self.bias
        x = torch.zeros(inputs.shape[1], self.hidden, device=inputs.device)
        if self.stacked:
            return self.run_stacked(x, drive, torch.cat([self.filter, self.weight]).T)
        for step in drive.unbind(0):
            x = x @ self.filter.T + self.beta * torch.tanh(x @ self.weight.T + step)
        return x

    def run_stacked(self, x: torch.Tensor, drive: torch.Tensor, both: torch.Tensor) -> torch.Tensor:
        for step in drive.unbind(0):
            product = x @ both
            x = product[:, : self.hidden] + self.beta * torch.tanh(product[:, self.hidden :] + step)
        return x


class CompiledRoa(Roa):
    """Roa with stacked weights, of which torch.compile makes a piece of the steps, run as often as it takes."""

    def __init__(self, hidden: int, piece_steps: int) -> None:
        super().__init__(hidden, stacked=True)
        self.piece_steps = piece_steps
        self.piece = torch.compile(super().run_stacked)

    def run_stacked(self, x: torch.Tensor, drive: torch.Tensor, both: torch.Tensor) -> torch.Tensor:
        for part in drive.split(self.piece_steps):
            x = self.piece(x, part, both)
        return x


class RoaLayers(nn.Module):
    """x <- O x + tanh(W_l x + b_l) / L, over all layers l of a feedforward chain."""

    def __init__(self, hidden: int, layers: int) -> None:
        super().__init__()
        filter_matrix, _ = torch.linalg.qr(torch.randn(hidden, hidden, dtype=torch.float64))
        self.register_buffer("filter", filter_matrix.float())
        self.weight = nn.Parameter(torch.randn(layers, hidden, hidden) * 0.5 / hidden**0.5)
        self.bias = nn.Parameter(torch.zeros(layers, hidden))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        beta = 1 / self.weight.shape[0]
        for weight, bias in zip(self.weight.unbind(0), self.bias.unbind(0)):
            x = x @ self.filter.T + beta * torch.tanh(torch.addmm(bias, x, weight.T))
        return x


class Cudnn(nn.Module):
    """nn.RNN, nn.GRU or nn.LSTM, read out at the last step."""

    def __init__(self, kind: type[nn.RNNBase], hidden: int) -> None:
        super().__init__()
        self.layer = kind(1, hidden)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(inputs)[0][-1]


def median_ms(step: Callable[[], None], seconds: float) -> float:
    """Median over repetitions, timed by CUDA events."""
    for _ in range(3):
        step()
    torch.cuda.synchronize()
    times: list[float] = []
    end = time.monotonic() + seconds
    while len(times) < 5 or (time.monotonic() < end and len(times) < 100):
        start_event, end_event = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start_event.record()
        step()
        end_event.record()
        end_event.synchronize()
        times.append(start_event.elapsed_time(end_event))
        if time.monotonic() > end + seconds:
            break
    return statistics.median(times)


def training_step(model: nn.Module, readout: nn.Module, inputs: torch.Tensor, targets: torch.Tensor) -> Callable[[], None]:
    """A function that trains one step."""
    optimizer = torch.optim.Adam([*model.parameters(), *readout.parameters()], lr=1e-3, fused=True, capturable=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=False)
        loss = nn.functional.cross_entropy(readout(model(inputs)).float(), targets)
        loss.backward()
        optimizer.step()

    return step


def graphed(step: Callable[[], None]) -> Callable[[], None]:
    """The step as a CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--steps", type=int, default=784)
    parser.add_argument("--layers", type=int, default=0, help="a feedforward chain of so many layers; 0 (default): a recurrent one")
    parser.add_argument("--cell", choices=["gru", "lstm"], help="only cuDNN's layer of these cells")
    parser.add_argument("--seconds", type=float, default=2, help="time for the repetitions of one peer (default 2)")
    parser.add_argument("--compiled", action="store_true", help="only the loop by torch.compile, which takes minutes; needs gcc and Python.h")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("benchmark.py: PyTorch finds no GPU", file=sys.stderr)
        sys.exit(1)
    torch.manual_seed(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    device = torch.device("cuda")
    if options.layers:
        inputs = torch.randn(options.batch, options.hidden, device=device)
    else:
        inputs = torch.randn(options.steps, options.batch, 1, device=device)
    targets = torch.randint(CLASSES, (options.batch,), device=device)

    def models() -> dict[str, tuple[Callable[[], nn.Module], torch.dtype, bool]]:
        hidden = options.hidden
        if options.layers:
            return {
                "loop": (lambda: RoaLayers(hidden, options.layers), torch.float32, False),
                "loop-graph": (lambda: RoaLayers(hidden, options.layers), torch.float32, True),
            }
        if options.cell:
            kind = {"gru": nn.GRU, "lstm": nn.LSTM}[options.cell]
            return {
                options.cell: (lambda: Cudnn(kind, hidden), torch.float32, False),
                f"{options.cell}-bf16": (lambda: Cudnn(kind, hidden), torch.bfloat16, False),
            }
        if options.compiled:
            piece_steps = max(count for count in range(1, 29) if options.steps % count == 0)
            return {f"compiled-{piece_steps}": (lambda: CompiledRoa(hidden, piece_steps), torch.float32, False)}
        return {
            "rnn": (lambda: Cudnn(nn.RNN, hidden), torch.float32, False),
            "lstm": (lambda: Cudnn(nn.LSTM, hidden), torch.float32, False),
            "rnn-bf16": (lambda: Cudnn(nn.RNN, hidden), torch.bfloat16, False),
            "lstm-bf16": (lambda: Cudnn(nn.LSTM, hidden), torch.bfloat16, False),
            "loop": (lambda: Roa(hidden, stacked=False), torch.float32, False),
            "stacked": (lambda: Roa(hidden, stacked=True), torch.float32, False),
            "stacked-graph": (lambda: Roa(hidden, stacked=True), torch.float32, True),
        }

    for name, (make, dtype, as_graph) in models().items():
        row: dict[str, object] = {
            "peer": f"torch {name}", "model": "feedforward" if options.layers else options.cell or "recurrent", "mode": "train",
            "hidden": options.hidden, "batch": options.batch, "steps": options.layers or options.steps,
        }
        try:
            # Autocast is no way to bfloat16 here: it runs cuDNN's recurrent layers in float16, whatever type it is given.
            model, readout = make().to(device, dtype), nn.Linear(options.hidden, CLASSES).to(device, dtype)
            step = training_step(model, readout, inputs.to(dtype), targets)
            row["ms"] = median_ms(graphed(step) if as_graph else step, options.seconds)
        except Exception as failure:  # one peer that fails must not end the others
            # Of a compiler's error the first line only says that there is one.
            row["error"] = " ".join(f"{type(failure).__name__}: {failure}".split())[:300]
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
