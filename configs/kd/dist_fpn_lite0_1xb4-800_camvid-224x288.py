# DIST (Huang et al., NeurIPS 2022) on the scores, Lite2 -> Lite0 on CamVid; released weights 1 and 1. Not scored yet, see ../lad/README.md.
_base_ = ['./kd_fpn_lite0_1xb4-800_camvid-224x288.py']
model = dict(distill=[dict(loss=dict(type='dts.DIST'), weight=1.0)])
