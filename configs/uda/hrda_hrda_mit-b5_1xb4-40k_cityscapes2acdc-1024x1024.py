# HRDA (ECCV 2022), Cityscapes -> ACDC; paper: 68.0 mIoU on the test server, 22.5 GB, 32 h on one GPU. Not run by us, no log.
_base_ = ['hosts/hrda.py', '../_base_/datasets/uda_cityscapes_to_acdc_1024.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
