"""What a training step costs in PyTorch: two of our networks written by hand, channels last, bfloat16. Started by ``benchmarks/step.py``.

Prints a line of JSON: weights, and the images for each second of the processor, by one thread; the first steps are left out.
"""

import argparse
import json
import time

import numpy as np
import torch
from torch import nn

BATCH, SMOOTHING = 128, 0.05
WARM = 10  # steps before the clock begins


def conv_bn(inputs, outputs, stride=1, relu=True):
    layers = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.branch = nn.Sequential(conv_bn(channels, channels), conv_bn(channels, channels, relu=False))

    def forward(self, x):
        return torch.relu(x + self.branch(x))


def resnet9(classes, width=32):
    blocks = [conv_bn(1, width, stride=2), Residual(width)]
    for filters in (2 * width, 4 * width):
        blocks += [conv_bn(filters // 2, filters), nn.MaxPool2d(2), Residual(filters)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))


def simple_cnn(classes, width=32):
    blocks, inputs = [], 1
    for block, filters in enumerate((width, 2 * width, 4 * width)):
        blocks += [conv_bn(inputs, filters, stride=1 if block else 2), conv_bn(filters, filters)]
        blocks += [nn.MaxPool2d(2)] if block < 2 else []
        inputs = filters
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4 * width, classes))


NETWORKS = {"resnet9": resnet9, "simple_cnn": simple_cnn}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("arrays")
    parser.add_argument("network", choices=NETWORKS)
    parser.add_argument("--steps", type=int, default=250)
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    arrays = np.load(given.arrays)
    images, labels = torch.from_numpy(arrays["x_train"]), torch.from_numpy(arrays["y_train"]).long()
    mean, std = images.float().mean(), images.float().std()
    network = NETWORKS[given.network](int(labels.max()) + 1).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.02)
    loss_of = nn.CrossEntropyLoss(label_smoothing=SMOOTHING)
    order = torch.randperm(len(images))
    for step in range(WARM + given.steps):
        if step == WARM:
            begin = time.process_time()
        chosen = order[(step * BATCH + torch.arange(BATCH)) % len(images)]
        batch = (
            ((images[chosen].float() - mean) / std).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        )
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(network(batch), labels[chosen])
        loss.backward()
        optimizer.step()
    seconds = time.process_time() - begin
    weights = sum(one.numel() for one in network.parameters())
    print(
        json.dumps({"weights": weights, "images_per_second": given.steps * BATCH / seconds, "torch": torch.__version__})
    )


if __name__ == "__main__":
    main()
