# MIC (CVPR 2023) on HRDA, GTA5 -> Cityscapes; paper: 75.9 mIoU, 24 GB on one GPU, time not known to us. Not run by us, no log.
_base_ = ['hosts/mic.py', '../_base_/datasets/uda_gta_to_cityscapes_1024.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
