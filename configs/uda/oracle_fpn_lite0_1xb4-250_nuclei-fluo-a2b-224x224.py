# Trained on the labels of fluo_b: what adaptation could reach at best. Scores: README.md beside this file.
_base_ = ['source-only_fpn_lite0_1xb4-250_nuclei-fluo-a2b-224x224.py']
# The images of the target stream with their labels, and the pipeline of the source.
target_stream = _base_.train_dataloader.dataset.streams.target
target_stream.data_prefix.seg_map_path = 'ann_dir/train'
target_stream.pipeline = _base_.train_dataloader.dataset.streams.source.pipeline
# What RareClassCrop is without rare classes.
target_stream.pipeline[3] = dict(
    type='RandomCrop', crop_size=_base_.crop_size, cat_max_ratio=1.0
)
train_dataloader = dict(
    sampler=dict(batch=dict(_delete_=True, target=4)),
    dataset=dict(streams=dict(_delete_=True, target=target_stream)),
)
