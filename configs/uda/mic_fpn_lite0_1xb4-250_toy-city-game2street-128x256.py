# MIC (CVPR 2023): the DAFormer-style run and masked consistency, game to street. Scores: README.md beside this file.
_base_ = ['daformer-style_fpn_lite0_1xb4-250_toy-city-game2street-128x256.py']
# 8 of 128 rows, as 64 of 1024 there.
model = dict(masking=dict(block_size=8, ratio=0.7, color=True))
