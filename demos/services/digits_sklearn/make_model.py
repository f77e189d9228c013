"""Train digits.skops, in a second: `pip install 'astraea[sklearn]'`, then `python make_model.py`."""

from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from skops.io import dump

rows, digits = load_digits(return_X_y=True)  # 1797 images, rows of 8 x 8 pixels from 0 to 16
rows, held_out, digits, expected = train_test_split(rows / 16, digits, test_size=0.25, random_state=0)

model = make_pipeline(StandardScaler(), SVC()).fit(rows, digits)
dump(model, Path(__file__).with_name("digits.skops"))
print(f"{model.score(held_out, expected):.1%} of {len(expected)} held-out digits are read right")
