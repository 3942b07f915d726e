# Cityscapes -> ACDC at full resolution, as in HRDA (Hoyer et al., ECCV 2022); all else as in
# uda_cityscapes_to_acdc_512.py.
_base_ = './uda_cityscapes_to_acdc_512.py'
source_scale = (2048, 1024)
target_scale = (1920, 1080)
crop_size = (1024, 1024)
evaluation = dict(mode='slide', crop_size=crop_size, stride=(512, 512))

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.streams.source.pipeline[2].scale = source_scale
train_dataloader.dataset.streams.source.pipeline[3].crop_size = crop_size
train_dataloader.dataset.streams.source.pipeline[3].min_pixels = 6000  # 2 * 3000
train_dataloader.dataset.streams.target.pipeline[1].scale = target_scale
train_dataloader.dataset.streams.target.pipeline[2].crop_size = crop_size
val_dataloader = _base_.val_dataloader
val_dataloader.dataset.pipeline[1].scale = target_scale
test_dataloader = val_dataloader
submit_dataloader = _base_.submit_dataloader
submit_dataloader.dataset.pipeline[1].scale = target_scale
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = target_scale
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0][0].scale = (1440, 810)
tta_pipeline[1].transforms[0][1].scale = (1920, 1080)
tta_pipeline[1].transforms[0][2].scale = (2400, 1350)
