"""Train digits.keras, in seconds: `pip install 'astraea[tensorflow,sklearn]'`, then `python make_model.py`."""

from pathlib import Path

import keras
from keras import layers
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

keras.utils.set_random_seed(0)
bunch = load_digits()  # 1797 images of 8 x 8 pixels from 0 to 16
images, held_out, digits, expected = train_test_split(
    bunch.images[..., None] / 16, bunch.target, test_size=0.25, random_state=0
)

model = keras.Sequential(
    [
        keras.Input((8, 8, 1), name="image"),
        layers.Conv2D(16, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(images, digits, batch_size=64, epochs=20, verbose=0)
model.save(Path(__file__).with_name("digits.keras"))
_, right = model.evaluate(held_out, expected, verbose=0)
print(f"{right:.1%} of {len(expected)} held-out digits are read right")
