# GTA5 -> Cityscapes at full resolution, as in HRDA (Hoyer et al., ECCV 2022); all else as in
# uda_gta_to_cityscapes_512.py.
_base_ = './uda_gta_to_cityscapes_512.py'
source_scale = (2560, 1440)  # images of 1914x1052 become 2560x1407
target_scale = (2048, 1024)
crop_size = (1024, 1024)
evaluation = dict(mode='slide', crop_size=crop_size, stride=(512, 512))

train_dataloader = _base_.train_dataloader
train_dataloader.dataset.streams.source.pipeline[2].scale = source_scale
train_dataloader.dataset.streams.source.pipeline[3].crop_size = crop_size
train_dataloader.dataset.streams.source.pipeline[3].min_pixels = 6000  # 2 * 3000
train_dataloader.dataset.streams.target.pipeline[1].left = 30
train_dataloader.dataset.streams.target.pipeline[1].right = 30
train_dataloader.dataset.streams.target.pipeline[2].scale = target_scale
train_dataloader.dataset.streams.target.pipeline[3].crop_size = crop_size
val_dataloader = _base_.val_dataloader
val_dataloader.dataset.pipeline[1].scale = target_scale
test_dataloader = val_dataloader
submit_dataloader = _base_.submit_dataloader
submit_dataloader.dataset.pipeline[1].scale = target_scale
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = target_scale
tta_pipeline = _base_.tta_pipeline
tta_pipeline[1].transforms[0][0].scale = (1536, 768)
tta_pipeline[1].transforms[0][1].scale = (2048, 1024)
tta_pipeline[1].transforms[0][2].scale = (2560, 1280)
