# Cityscapes with all labels of train (2975) at crop 512x1024, whole images scored; all else as in cityscapes.py.
_base_ = './cityscapes.py'
crop_size = (512, 1024)
evaluation = dict(_delete_=True, mode='whole')
labeled = _base_.train_dataloader.dataset.streams.labeled
labeled.ann_file = ''
labeled.pipeline[3].crop_size = crop_size
train_dataloader = dict(
    sampler=dict(batch=dict(_delete_=True, labeled=4)),
    dataset=dict(streams=dict(_delete_=True, labeled=labeled)),
)
