"""Train digits.pt2, in seconds: `pip install 'astraea[torch,sklearn]'`, then `python make_model.py`."""

from pathlib import Path

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

_EPOCHS = 20

torch.manual_seed(0)
torch.set_num_threads(1)  # in so small a network, several would mostly wait for each other
bunch = load_digits()  # 1797 images of 8 x 8 pixels from 0 to 16
images = torch.from_numpy(bunch.images / 16).float()[:, None]
images, held_out, digits, expected = train_test_split(images, bunch.target, test_size=0.25, random_state=0)
digits, expected = torch.from_numpy(digits), torch.from_numpy(expected)

model = nn.Sequential(
    nn.Conv2d(1, 16, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, kernel_size=3, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Dropout(0.2),
    nn.Linear(32 * 4 * 4, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
for _ in range(_EPOCHS):
    for batch in torch.randperm(len(images)).split(64):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[batch]), digits[batch]).backward()
        optimizer.step()
model.eval()

program = torch.export.export(model, (held_out[:2],), dynamic_shapes=({0: torch.export.Dim("batch")},))
torch.export.save(program, Path(__file__).with_name("digits.pt2"))
right = (model(held_out).argmax(dim=1) == expected).double().mean().item()
print(f"{right:.1%} of {len(expected)} held-out digits are read right")
