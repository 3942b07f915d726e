# Trained on CamVid at dusk only, with the colours that DACS gives its mixed images. Scores: README.md beside this file.
_base_ = ['dacs_fpn_lite0_1xb4-400_camvid-dusk2day-224x288.py']
model = dict(
    _delete_=True, type='dts.Supervised', student=_base_.student, criterion=_base_.criterion
)
train_dataloader = _base_.train_dataloader
train_dataloader.batch_size = 4
train_dataloader.sampler.batch = dict(source=4, target=0)
train_dataloader.dataset.streams.source.pipeline[-1].branches = _base_.source_only_branches
custom_hooks = []
val_cfg = dict(models=['student'])
test_cfg = dict(models=['student'])
