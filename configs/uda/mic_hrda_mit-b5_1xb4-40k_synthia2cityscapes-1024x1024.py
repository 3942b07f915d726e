# MIC (CVPR 2023) on HRDA, SYNTHIA -> Cityscapes; paper: 67.3 mIoU16 (not verified), 74.0 mIoU13 (from its per-class table), 24 GB on one GPU, time not known to us. Not run by us, no log.
_base_ = ['hosts/mic.py', '../_base_/datasets/uda_synthia_to_cityscapes_1024.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
default_hooks = dict(checkpoint=dict(save_best='student/mIoU16'))
