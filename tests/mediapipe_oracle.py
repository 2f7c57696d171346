"""What MediaPipe makes of .tflite files, in an environment of its own: mediapipe_oracle.py OUT IMAGE FILES

Writes {file: {"labels": [...], "classes": name of a .npy} or {"error": text}} as JSON to OUT.
"""

import json
import sys
from pathlib import Path

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

out, image, *files = map(Path, sys.argv[1:])
pixels, answers = np.load(image), {}
for number, file in enumerate(files):
    options = vision.ImageSegmenterOptions(
        base_options=BaseOptions(model_asset_path=str(file)), output_category_mask=True, output_confidence_masks=True
    )
    try:
        with vision.ImageSegmenter.create_from_options(options) as segmenter:
            found = segmenter.segment(mp.Image(image_format=mp.ImageFormat.SRGB, data=pixels))
            classes = out.with_name(f"{number}.npy")
            np.save(classes, np.squeeze(found.category_mask.numpy_view()))
            most = max(float(mask.numpy_view().max()) for mask in found.confidence_masks)
            answers[str(file)] = {"labels": list(segmenter.labels), "classes": str(classes), "most": most}
    except Exception as error:
        answers[str(file)] = {"error": str(error)}
out.write_text(json.dumps(answers))
