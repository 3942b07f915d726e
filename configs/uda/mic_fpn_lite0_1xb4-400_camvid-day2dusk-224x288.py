# MIC (CVPR 2023): the DAFormer-style run and masked consistency, day to dusk. Scores: README.md beside this file.
_base_ = ['daformer-style_fpn_lite0_1xb4-400_camvid-day2dusk-224x288.py']
# 16 of 240 rows, as 64 of 1024 there; no change of colours between real images.
model = dict(masking=dict(block_size=16, ratio=0.7, color=False))
