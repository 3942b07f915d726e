# MIC (CVPR 2023) on HRDA, Cityscapes -> Dark Zurich; paper: 60.2 mIoU on the test server (not verified), 24 GB on one GPU, time not known to us. Not run by us, no log.
_base_ = ['hosts/mic.py', '../_base_/datasets/uda_cityscapes_to_darkzurich_1024.py']
# One source and one target image are masked, their colours unchanged, as in the release for these data.
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation),
    masking=dict(color=False, images='separate'),
)
