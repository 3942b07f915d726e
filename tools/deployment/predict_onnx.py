"""Predict images by a file of export_onnx.py: python predict_onnx.py MODEL.onnx OUT IMAGE ...

Writes a PNG of class ids per image. Needs onnxruntime, numpy and opencv, nothing of dts.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from onnxruntime import InferenceSession


def predict_logits(
    session: InferenceSession, images: np.ndarray, stride: Sequence[int]
) -> np.ndarray:
    """Average the scores (B, K, H, W) of the windows that cover normalised images (B, 3, H, W)."""
    window, num_classes = session.get_inputs()[0].shape[2:], session.get_outputs()[0].shape[1]
    height, width = images.shape[2:]
    gaps = [(0, max(window[0] - height, 0)), (0, max(window[1] - width, 0))]
    images = np.pad(images, [(0, 0), (0, 0), *gaps])  # by the mean color
    last = images.shape[2] - window[0], images.shape[3] - window[1]
    total = np.zeros((len(images), num_classes, *images.shape[2:]), np.float32)
    count = np.zeros(images.shape[2:], np.float32)
    for top in (min(y, last[0]) for y in range(0, last[0] + stride[0], stride[0])):
        for left in (min(x, last[1]) for x in range(0, last[1] + stride[1], stride[1])):
            place = (..., slice(top, top + window[0]), slice(left, left + window[1]))
            total[place] += session.run(None, {'images': np.ascontiguousarray(images[place])})[0]
            count[place] += 1
    return (total / count)[..., :height, :width]


def predict(session: InferenceSession, image: np.ndarray) -> np.ndarray:
    """Return the class ids (H, W) of an image as OpenCV reads it, (H, W, 3) BGR."""
    notes = json.loads(session.get_modelmeta().custom_metadata_map['dts'])
    height, width = notes['resize'] or image.shape[:2]
    pixels = cv2.resize(image, (width, height))[..., :: -1 if notes['channels'] == 'RGB' else 1]
    pixels = (pixels - np.float32(notes['mean'])) / np.float32(notes['std'])
    logits = predict_logits(session, pixels.transpose(2, 0, 1)[None], notes['stride'])[0]
    logits = cv2.resize(logits.transpose(1, 2, 0), image.shape[1::-1])
    return logits.argmax(axis=2).astype(np.uint8)


if __name__ == '__main__':
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    model, out, *files = sys.argv[1:]
    Path(out).mkdir(parents=True, exist_ok=True)
    session = InferenceSession(model)
    for file in files:
        image = cv2.imread(file)
        if image is None:
            sys.exit(f'{file} is not there, or no image that OpenCV reads')
        cv2.imwrite(str(Path(out, f'{Path(file).stem}.png')), predict(session, image))
