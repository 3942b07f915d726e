# DAFormer's network on the labels of Cityscapes; paper: score of this network not known to us, cost neither. Not run by us, no log.
_base_ = './source-only_daformer_mit-b5_1xb2-40k_gta2cityscapes-512x512.py'
# The images of the target stream with their labels, and the pipeline of the source; no image of the source is needed.
target_stream = _base_.train_dataloader.dataset.streams.target
target_stream.data_prefix.seg_map_path = 'gtFine/train'
target_stream.seg_map_suffix = '_gtFine_labelIds.png'
target_stream.pipeline = _base_.train_dataloader.dataset.streams.source.pipeline
target_stream.pipeline[2].scale = _base_.target_scale
train_dataloader = dict(
    sampler=dict(batch=dict(_delete_=True, target=2)),
    dataset=dict(streams=dict(_delete_=True, target=target_stream)),
)
