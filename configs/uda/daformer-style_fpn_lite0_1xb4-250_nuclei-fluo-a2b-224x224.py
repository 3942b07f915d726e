# DACS with DAFormer's rare-class sampling and feature distance (CVPR 2022), fluo_a to fluo_b. Scores: README.md beside this file.
_base_ = ['dacs_fpn_lite0_1xb4-250_nuclei-fluo-a2b-224x224.py']
# things: nucleus
model = dict(feature_distance=dict(classes=[1], weight=0.005))
custom_hooks = [*_base_.custom_hooks, dict(type='dts.ReferenceEncoderHook')]
train_dataloader = dict(sampler=dict(rare_class=_base_.rare_class))
