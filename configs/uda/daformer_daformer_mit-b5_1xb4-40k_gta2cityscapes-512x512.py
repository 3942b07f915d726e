# DAFormer (CVPR 2022), GTA5 -> Cityscapes; paper: 68.3 mIoU, 11 GB, 16 h on one GPU. Not run by us, no log.
_base_ = ['hosts/daformer.py', '../_base_/datasets/uda_gta_to_cityscapes_512.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
