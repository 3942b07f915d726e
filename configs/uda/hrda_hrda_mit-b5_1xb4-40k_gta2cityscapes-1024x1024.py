# HRDA (ECCV 2022), GTA5 -> Cityscapes; paper: 73.8 mIoU, 22.5 GB, 32 h on one GPU. Not run by us, no log.
_base_ = ['hosts/hrda.py', '../_base_/datasets/uda_gta_to_cityscapes_1024.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
