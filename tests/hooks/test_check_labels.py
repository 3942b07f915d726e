"""A wrong label file ends a run before its first step."""

import cv2
import numpy as np
import pytest
from mmengine.runner import Runner

from runs import make_images, run_config


@pytest.mark.slow
def test_a_label_out_of_range_is_named_before_training(tmp_path):
    make_images(tmp_path)
    wrong = tmp_path / 'masks/1.png'
    cv2.imwrite(str(wrong), np.full((40, 48), 7, np.uint8))
    runner = Runner.from_cfg(run_config(tmp_path, tmp_path / 'work'))
    with pytest.raises(ValueError, match=r'masks/1\.png.*7'):
        runner.train()
    assert not list((tmp_path / 'work').glob('*.pth'))
