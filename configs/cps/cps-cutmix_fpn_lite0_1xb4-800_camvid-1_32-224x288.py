# Cross Pseudo Supervision with CutMix (CVPR 2021) on 11 labelled CamVid frames; paper: no score on CamVid. Not run by us, cost not known. Command: README.md beside this file.
_base_ = './cps_fpn_lite0_1xb4-800_camvid-1_32-224x288.py'
# 1 and a box of half of the image: those of the release on VOC 2012 (there: three boxes per image).
model = dict(cross_weight=1.0, mix=dict(type='dts.HalfCutMix'))
