# DAFormer (CVPR 2022), SYNTHIA -> Cityscapes; paper: 60.9 mIoU16, 67.4 mIoU13 (from its per-class table), 11 GB, 16 h on one GPU. Not run by us, no log.
_base_ = ['hosts/daformer.py', '../_base_/datasets/uda_synthia_to_cityscapes_512.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
default_hooks = dict(checkpoint=dict(save_best='student/mIoU16'))
