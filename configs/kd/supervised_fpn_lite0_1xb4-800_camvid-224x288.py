# First generation of chain_born_again_camvid.yml: EfficientNet-Lite0 on all labels of CamVid. Not scored yet, see README.md.
_base_ = ['../supervised/supervised_fpn_lite0_1xb4-800_camvid-1_32-224x288.py']
train_dataloader = dict(
    dataset=dict(streams=dict(labeled=dict(ann_file='splits/all/train.txt')))
)
custom_hooks = []
val_cfg = dict(models=['student'])
test_cfg = dict(models=['student'])
# A chain that is killed goes on from the newest of these.
default_hooks = dict(checkpoint=dict(interval=200))
