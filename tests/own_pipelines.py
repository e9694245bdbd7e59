"""Training scripts as users have them, which know nothing of us: softmax regression on handwritten digits in numpy."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

from state.project import Project, Settings
from wizard import pipeline

SCRIPT = """\
import argparse
import csv
import json
import os

import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.5, help="step size")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--steps", type=int, default=100)
parser.add_argument("--l2", type=float, default=0.0)
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--style", choices=["jsonl", "timm", "transformers", "lightning"], default="jsonl")
parser.add_argument("--out", required=True)
args = parser.parse_args()

data = np.load("digits.npz")
x, y = data["x"], data["y"]
train_x, train_y, val_x, val_y = x[:600], y[:600], x[600:], y[600:]
random = np.random.default_rng(args.seed)
w = random.normal(0, 0.01, (64, 10))
rows = []
path = {
    "jsonl": "metrics.jsonl",
    "timm": "run/summary.csv",
    "transformers": "trainer_state.json",
    "lightning": "logs/version_0/metrics.csv",
}[args.style]
path = os.path.join(args.out, path)
os.makedirs(os.path.dirname(path), exist_ok=True)


def write(step, loss, accuracy):
    if args.style == "jsonl":
        with open(path, "a") as file:
            file.write(json.dumps({"step": step, "train_loss": loss, "accuracy": accuracy, "note": "text"}) + "\\n")
    elif args.style == "timm":
        row = {"epoch": len(rows), "train_loss": loss, "eval_loss": 1 - accuracy, "accuracy": accuracy}
        rows.append(row)
        with open(path, "a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if len(rows) == 1:
                writer.writeheader()
            writer.writerow(row)
    elif args.style == "transformers":
        rows.append({"step": step, "epoch": step / 10, "loss": loss, "learning_rate": args.lr})
        rows.append({"step": step, "epoch": step / 10, "accuracy": accuracy, "eval_loss": 1 - accuracy})
        with open(path, "w") as file:
            json.dump({"global_step": step, "log_history": rows}, file)
    else:
        rows.append({"epoch": 0, "step": step, "train_loss": loss, "accuracy": ""})
        rows.append({"epoch": 0, "step": step, "train_loss": "", "accuracy": accuracy})
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, ["epoch", "step", "train_loss", "accuracy"])
            writer.writeheader()
            writer.writerows(rows)


for step in range(1, args.steps + 1):
    batch = random.integers(0, len(train_x), args.batch_size)
    z = train_x[batch] @ w
    z -= z.max(1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[np.arange(len(batch)), train_y[batch]] + 1e-12).mean()
    p[np.arange(len(batch)), train_y[batch]] -= 1
    w -= args.lr * (train_x[batch].T @ p / len(batch) + args.l2 * w)
    if step % max(1, args.steps // 25) == 0:
        write(step, float(loss), float(((val_x @ w).argmax(1) == val_y).mean()))
print("finished")
"""
ARGUMENTS = "--lr {lr} --batch-size {batch_size} --steps {steps} --l2 {l2} --seed {seed} --style {style} --out {folder}"
VALUES = ("lr=0.5", "batch_size=32", "steps=50", "l2=0", "style=jsonl")


def write_script(folder: Path, text: str = SCRIPT, name: str = "train.py") -> Path:
    """The script with its data in a folder of the user's."""
    folder.mkdir(parents=True, exist_ok=True)
    data: Any = load_digits()
    np.savez(folder / "digits.npz", x=data.data[:900] / 16, y=data.target[:900])
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def command(arguments: str = ARGUMENTS, name: str = "train.py") -> str:
    """The command line of the script, in this Python."""
    return f"{shlex.quote(sys.executable)} {name} {arguments}"


def project(root: Path, folder: Path, *assignments: str, arguments: str = ARGUMENTS, **settings: Any) -> Project:
    """A project on the script, as `tunebook new --command` makes it."""
    values = {"metric": "accuracy", "direction": "max", "chance": 0.1, "command": command(arguments)} | settings
    made = Settings(name=root.name, directory=str(folder), **values)
    given = {assignment.partition("=")[0] for assignment in assignments}
    usual = [value for value in VALUES if value.partition("=")[0] not in given] if arguments == ARGUMENTS else []
    return pipeline.create(root, made, (*usual, *assignments))
