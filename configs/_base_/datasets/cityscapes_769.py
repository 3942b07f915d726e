# Cityscapes at crop 769 instead of 801, sliding windows included; all else as in cityscapes.py.
_base_ = './cityscapes.py'
crop_size = (769, 769)
evaluation = dict(mode='slide', crop_size=crop_size, stride=(512, 512))
train_dataloader = _base_.train_dataloader
train_dataloader.dataset.streams.labeled.pipeline[3].crop_size = crop_size
train_dataloader.dataset.streams.unlabeled.pipeline[2].crop_size = crop_size
