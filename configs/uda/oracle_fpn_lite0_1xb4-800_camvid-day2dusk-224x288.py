# Trained on the labels of CamVid at dusk: what adaptation could reach at best. Scores: README.md beside this file.
_base_ = ['source-only_fpn_lite0_1xb4-800_camvid-day2dusk-224x288.py']
train_dataloader = dict(
    dataset=dict(streams=dict(source=dict(ann_file='splits/domain/dusk_train.txt')))
)
