# DACS with DAFormer's rare-class sampling and feature distance (CVPR 2022), game to street. Scores: README.md beside this file.
_base_ = ['dacs_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py']
# things: car, person, sign
model = dict(feature_distance=dict(classes=[5, 6, 7], weight=0.005))
custom_hooks = [*_base_.custom_hooks, dict(type='dts.ReferenceEncoderHook')]
train_dataloader = dict(sampler=dict(rare_class=_base_.rare_class))
