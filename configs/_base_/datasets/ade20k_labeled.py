# ADE20K with all labels of training (20 210): no unlabelled stream, no list; all else as in ade20k.py.
_base_ = './ade20k.py'
labeled = _base_.train_dataloader.dataset.streams.labeled
labeled.ann_file = ''
train_dataloader = dict(
    sampler=dict(batch=dict(_delete_=True, labeled=4)),
    dataset=dict(streams=dict(_delete_=True, labeled=labeled)),
)
