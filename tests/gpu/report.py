"""Joins what run.sh left in a folder into gpu.json and gpu.md."""

from __future__ import annotations

import json
import pathlib
import re
import subprocess
import sys


def read_lines(path: pathlib.Path) -> list[str]:
    return path.read_text(errors="replace").splitlines() if path.exists() else []


def read_rows(path: pathlib.Path) -> list[dict]:
    rows = []
    for line in read_lines(path):
        if not line.startswith("{"):
            continue
        try:
            rows.append(json.loads(line, parse_constant=refuse_constant))
        except ValueError:  # a stage that was stopped leaves half a line
            print(f"report.py: {path.name}: left out: {line[:80]}", file=sys.stderr)
    return rows


def refuse_constant(name: str) -> float:
    raise ValueError(name)  # NaN and Infinity, which are no JSON


def peak_multiply_adds() -> float | None:
    """float32 multiply-adds a second: 128 for each multiprocessor and cycle at the highest clock."""
    try:
        import torch

        properties = torch.cuda.get_device_properties(0)
        clock = subprocess.run(
            ["nvidia-smi", "--query-gpu=clocks.max.sm", "--format=csv,noheader,nounits"], capture_output=True, text=True, check=True
        ).stdout
        return properties.multi_processor_count * 128 * float(clock.splitlines()[0]) * 1e6
    except Exception:  # the table then leaves the column out
        return None


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    facts = read_lines(folder / "facts.log")
    # A stage that was run again counts once, as it went last.
    stages = list({line.split("\t")[0]: line.split("\t") for line in read_lines(folder / "stages.tsv")}.values())
    # What stages left that --only did not run anew counts too; what is left of stages not in the list does not.
    rows = [row for name, *_ in stages if re.match(r"(bench|torch|again)-", name) for row in read_rows(folder / f"{name}.log")]
    training = [json.loads((folder / name / "run.json").read_text()) for name, result, *_ in stages if name.startswith("train-") and result == "passed"]
    peak = peak_multiply_adds()

    # Ours was timed before and after PyTorch; the slower one counts.
    ours: dict[tuple, float] = {}
    for row in rows:
        if row["peer"] == "OrthoNative":
            key = (row["model"], row["mode"], row["plan"], row["hidden"], row["batch"], row["steps"])
            ours[key] = max(ours.get(key, 0), row["ms"])
    # A step of the smallest chain is little but the wait for what other blocks computed.
    latency = min((ms / key[5] for key, ms in ours.items() if key[:3] == ("recurrent", "train", "automatic") and key[3] <= 32), default=None)
    table = []
    for (model, mode, plan, hidden, batch, steps), ms in ours.items():
        entry = {"peer": f"OrthoNative {plan}", "model": model, "mode": mode, "hidden": hidden, "batch": batch, "steps": steps, "ms": ms}
        if peak and mode == "train":
            # Products of a step, for every row: 2 N^2 forward, 2 N^2 backward and N^2 for the weights' gradient; of gates N^2 each.
            products = {"gru": 9, "lstm": 12}.get(model, 5)
            entry["fractionOfPeak"] = products * hidden * hidden * batch * steps / peak / (ms / 1e3)
        if latency and mode == "train" and model == "recurrent":
            entry["fractionOfLatency"] = latency * steps / ms
        table.append(entry)
    for row in rows:
        if row["peer"] != "OrthoNative":
            base = ours.get((row["model"], "train", "automatic", row["hidden"], row["batch"], row["steps"]))
            table.append(row | ({"ratio": row["ms"] / base} if base and "ms" in row else {}))
    (folder / "gpu.json").write_text(json.dumps({"facts": facts, "stages": stages, "training": training, "rows": table}, indent=1))

    lines = ["# GPU run", "", *(f"    {fact}" for fact in facts), "", "| stage | result | time | last line |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(stage)} |" for stage in stages]
    lines += ["", "| peer | model | mode | N | B | T or L | ms | of ours | of the arithmetic peak | of the latency limit |", f"|{'---|' * 10}"]
    for row in sorted(table, key=lambda row: (row["model"], row["hidden"], row["batch"], row["mode"], row.get("ms", float("inf")))):
        ms = f"{row['ms']:.2f}" if "ms" in row else re.sub(r"[|\n]", " ", row.get("error", ""))[:160]
        ratio = f"{row['ratio']:.2f}x" if "ratio" in row else ""
        fraction, waiting = (f"{100 * row[name]:.0f} %" if name in row else "" for name in ("fractionOfPeak", "fractionOfLatency"))
        sizes = f"{row['hidden']} | {row['batch']} | {row['steps']}"
        lines.append(f"| {row['peer']} | {row['model']} | {row['mode']} | {sizes} | {ms} | {ratio} | {fraction} | {waiting} |")
    (folder / "gpu.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
