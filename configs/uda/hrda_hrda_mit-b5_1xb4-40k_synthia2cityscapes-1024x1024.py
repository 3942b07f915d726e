# HRDA (ECCV 2022), SYNTHIA -> Cityscapes; paper: 65.8 mIoU16, 72.4 mIoU13 (from its per-class table), 22.5 GB, 32 h on one GPU. Not run by us, no log.
_base_ = ['hosts/hrda.py', '../_base_/datasets/uda_synthia_to_cityscapes_1024.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
default_hooks = dict(checkpoint=dict(save_best='student/mIoU16'))
