# DACS (WACV 2021), GTA5 -> Cityscapes; paper: 52.1 mIoU, cost not known to us. Not run by us, no log.
# With ImageNet weights, RGB and a deeper stem; there MS COCO weights and BGR.
_base_ = ['hosts/dacs.py', '../_base_/datasets/uda_gta_to_cityscapes_512.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
# No rare-class sampling, no margins, no flip, and crops of any content.
train_dataloader = _base_.train_dataloader
train_dataloader.sampler.rare_class = None
source_pipeline = train_dataloader.dataset.streams.source.pipeline
target_pipeline = train_dataloader.dataset.streams.target.pipeline
source_pipeline[2].keep_ratio = False  # squeezed to 1280x720
source_pipeline[3].cat_max_ratio = 1.0
source_pipeline[4].prob = 0.0
target_pipeline[1].update(top=0, bottom=0)
target_pipeline[4].prob = 0.0
