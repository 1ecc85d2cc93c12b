"""Trains the digit classifier of this example and writes its model and its held-out images beside this file.

Running it twice on one machine gives byte-identical files: one thread, fixed seeds, deterministic algorithms. See
README.md for what to install and for what is in the files.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional as F

SEED = 7
CLASSES = 10
HELD_OUT = 360
MAX_PIXEL = 16
EPOCHS = 40
BATCH = 64
PEAK_RATE = 0.01
OPSET = 13


class Block(nn.Module):
    """Two 3x3 convolutions with a shortcut around them, as in ResNet (arXiv 1512.03385, section 3.3)."""

    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.first = unit(inputs, outputs, 3, stride)
        self.second = unit(outputs, outputs, 3, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else unit(inputs, outputs, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


def unit(inputs, outputs, size, stride):
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def network():
    """19 convolutions: a stem, then eight residual blocks on 8x8, 4x4 and 2x2 pixels."""
    widths = [(24, 24, 1), (24, 24, 1), (24, 24, 1), (24, 48, 2), (48, 48, 1), (48, 48, 1), (48, 64, 2), (64, 64, 1)]
    return nn.Sequential(
        unit(1, 24, 3, 1),
        nn.ReLU(),
        *[Block(*width) for width in widths],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, CLASSES),
    )


def as_input(images):
    return torch.from_numpy(images).float().unsqueeze(1) / MAX_PIXEL


def shifted(x, generator):
    """Each image moved by up to one pixel either way: the handwriting stays readable, the training set grows ninefold."""
    padded = F.pad(x, (1, 1, 1, 1))
    offsets = torch.randint(0, 3, (len(x), 2), generator=generator)
    return torch.stack([image[:, dy : dy + 8, dx : dx + 8] for image, (dy, dx) in zip(padded, offsets.tolist())])


def train(images, labels):
    generator = torch.Generator().manual_seed(SEED)
    model = network().train()
    x, y = as_input(images), torch.from_numpy(labels)
    batches = len(x) // BATCH
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK_RATE, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 10 * PEAK_RATE, EPOCHS * batches)
    for _ in range(EPOCHS):
        order = torch.randperm(len(x), generator=generator)
        for batch in order[: batches * BATCH].split(BATCH):
            loss = F.cross_entropy(model(shifted(x[batch], generator)), y[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def accuracy(model, images, labels):
    with torch.no_grad():
        return float((model(as_input(images)).argmax(1).numpy() == labels).mean())


def export(model, path):
    torch.onnx.export(
        model,
        torch.zeros(1, 1, 8, 8),
        str(path),
        opset_version=OPSET,
        input_names=["image"],
        output_names=["logits"],
        dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
    )


def description(count):
    """What `--dataset` reads: where the frames and labels are, and how bytes become the model's input."""
    return {
        "name": "Optical Recognition of Handwritten Digits, held-out fifth",
        "count": count,
        "inputs": [
            {
                "name": "image",
                "file": "held-out.images",
                "dtype": "uint8",
                "dims": [1, 1, 8, 8],
                "as": "float32",
                "scale": 1 / MAX_PIXEL,
            }
        ],
        "labels": {"file": "held-out.labels", "dtype": "uint8", "output": "logits"},
        "licence": "CC BY 4.0",
        "attribution": "E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, "
        "UCI Machine Learning Repository, 1998, https://doi.org/10.24432/C50P49",
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder to write to")
    out = parser.parse_args().out
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    digits = load_digits()
    images, labels = digits.images.astype(np.uint8), digits.target.astype(np.int64)
    x, held_x, y, held_y = train_test_split(images, labels, test_size=HELD_OUT, random_state=SEED, stratify=labels)
    model = train(x, y)
    print(f"accuracy: {accuracy(model, x, y):.4f} trained on, {accuracy(model, held_x, held_y):.4f} held out")

    out.mkdir(parents=True, exist_ok=True)
    export(model, out / "digits.onnx")
    held_x.tofile(out / "held-out.images")
    held_y.astype(np.uint8).tofile(out / "held-out.labels")
    (out / "held-out.json").write_text(json.dumps(description(len(held_x)), indent=2) + "\n")


if __name__ == "__main__":
    main()
