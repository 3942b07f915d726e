# CWD (Shu et al., ICCV 2021) on the scores, Lite2 -> Lite0 on CamVid; T and weight of CIRKD's code. Not scored yet, see ../lad/README.md.
_base_ = ['./kd_fpn_lite0_1xb4-800_camvid-224x288.py']
model = dict(
    distill=[dict(loss=dict(type='dts.ChannelWiseKD', temperature=4.0), weight=3.0)]
)
