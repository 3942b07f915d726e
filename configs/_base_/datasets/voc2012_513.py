# PASCAL VOC 2012 at crop 513 instead of 321, all else as in voc2012.py.
_base_ = './voc2012.py'
crop_size = (513, 513)
train_dataloader = _base_.train_dataloader
train_dataloader.dataset.streams.labeled.pipeline[3].crop_size = crop_size
train_dataloader.dataset.streams.unlabeled.pipeline[2].crop_size = crop_size
