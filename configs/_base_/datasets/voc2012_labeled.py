# PASCAL VOC 2012 with all labels of the augmented train set (10 582) at crop 512; all else as in voc2012.py.
_base_ = './voc2012.py'
crop_size = (512, 512)
labeled = _base_.train_dataloader.dataset.streams.labeled
labeled.ann_file = 'ImageSets/Segmentation/trainaug.txt'
labeled.pipeline[3].crop_size = crop_size
train_dataloader = dict(
    sampler=dict(batch=dict(_delete_=True, labeled=4)),
    dataset=dict(streams=dict(_delete_=True, labeled=labeled)),
)
