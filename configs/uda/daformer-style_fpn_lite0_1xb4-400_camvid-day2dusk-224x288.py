# DACS with DAFormer's rare-class sampling and feature distance (CVPR 2022), day to dusk. Scores: README.md beside this file.
_base_ = ['dacs_fpn_lite0_1xb4-400_camvid-day2dusk-224x288.py']
# things: pole, sign, car, pedestrian, bicyclist
model = dict(feature_distance=dict(classes=[2, 6, 8, 9, 10], weight=0.005))
custom_hooks = [*_base_.custom_hooks, dict(type='dts.ReferenceEncoderHook')]
train_dataloader = dict(sampler=dict(rare_class=_base_.rare_class))
