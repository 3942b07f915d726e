# DAFormer (CVPR 2022), Cityscapes -> Dark Zurich; paper: 53.8 mIoU on the test server, 11 GB, 16 h on one GPU. Not run by us, no log.
_base_ = ['hosts/daformer.py', '../_base_/datasets/uda_cityscapes_to_darkzurich_512.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
