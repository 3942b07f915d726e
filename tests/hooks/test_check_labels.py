"""A wrong label file ends a run before its first step."""

import shutil

import cv2
import numpy as np
import pytest
from mmengine.runner import Runner

from runs import make_images, run_config


@pytest.mark.slow
@pytest.mark.parametrize('wrong', ['1', 'extra'])
def test_a_label_out_of_range_is_named_before_training(tmp_path, wrong):
    """Image 1 is a labelled one, the extra one is in no list: it is used for validation alone."""
    make_images(tmp_path)
    shutil.copy(tmp_path / 'images/1.png', tmp_path / 'images/extra.png')
    shutil.copy(tmp_path / 'masks/1.png', tmp_path / 'masks/extra.png')
    cv2.imwrite(str(tmp_path / f'masks/{wrong}.png'), np.full((40, 48), 7, np.uint8))
    runner = Runner.from_cfg(run_config(tmp_path, tmp_path / 'work'))
    with pytest.raises(ValueError, match=rf'masks/{wrong}\.png.*7'):
        runner.train()
    assert runner.iter == 0
    assert not list((tmp_path / 'work').glob('*.pth'))
