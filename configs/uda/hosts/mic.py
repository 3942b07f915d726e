# MIC (Hoyer et al., CVPR 2023) on HRDA: the student also learns the teacher's labels on target images of which 70 % of
# the blocks are masked. From synthetic to real images their colours are changed first; else set color=False.
_base_ = './hrda.py'
model = dict(masking=dict(block_size=64, ratio=0.7, weight=1.0, color=True))
