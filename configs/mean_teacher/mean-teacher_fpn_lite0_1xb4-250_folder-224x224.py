# The settings beside this file at the scale of a CPU: images of up to 256 pixels, crops of 224, 250 steps.
# Not measured: depends on your data.
_base_ = ['mean-teacher_fpn_lite0_1xb4-800_folder-384x384.py']
image_scale = (256, 256)
crop_size = (224, 224)
model = dict(student=dict(data_preprocessor=dict(size=crop_size)))
train_dataloader = _base_.train_dataloader
streams = train_dataloader.dataset.streams
streams.labeled.pipeline[2].scale = image_scale
streams.labeled.pipeline[3].crop_size = crop_size
streams.unlabeled.pipeline[1].scale = image_scale
streams.unlabeled.pipeline[2].crop_size = crop_size
val_dataloader = _base_.val_dataloader
val_dataloader.dataset.pipeline[1].scale = image_scale
test_dataloader = val_dataloader
test_pipeline = _base_.test_pipeline
test_pipeline[1].scale = image_scale
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=0.0, begin=25, end=250, by_epoch=False),
]
custom_hooks = [dict(type='dts.EmaTeacherHook', decay=0.98)]
train_cfg = dict(max_iters=250, val_interval=125)
default_hooks = dict(checkpoint=dict(interval=125), logger=dict(interval=10))
