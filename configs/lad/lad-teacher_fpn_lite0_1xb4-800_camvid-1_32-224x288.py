# LAD (Qiu et al., ECCV 2024), first stage: a teacher that sees noisy labels of 11 CamVid frames, those of assisted-dual-teacher_*. Not scored.
_base_ = ['lad-teacher_fpn_lite0_1xb4-800_camvid-224x288.py']
train_dataloader = dict(
    dataset=dict(streams=dict(labeled=dict(ann_file=f'{_base_.split}/labeled.txt')))
)
