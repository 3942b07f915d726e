# DAFormer's network on source labels only, SYNTHIA -> Cityscapes; paper: score of this network not known to us, cost neither. Not run by us, no log.
_base_ = ['hosts/supervised.py', '../_base_/datasets/uda_synthia_to_cityscapes_512.py']
model = dict(
    student=dict(data_preprocessor=dict(size=_base_.crop_size), test_cfg=_base_.evaluation)
)
train_dataloader = _base_.train_dataloader
train_dataloader.batch_size = 2
train_dataloader.sampler.batch = dict(source=2, target=0)
train_dataloader.sampler.rare_class = None
train_dataloader.dataset.streams.source.pipeline[-1].branches = dict(
    labeled=[dict(type='PhotoMetricDistortion'), dict(type='PackSegInputs')]
)
default_hooks = dict(checkpoint=dict(save_best='student/mIoU16'))
