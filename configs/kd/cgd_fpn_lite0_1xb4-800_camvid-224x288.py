# CGD (wzpscott/SegDistill), CWD with groups of channels, Lite2 -> Lite0 on CamVid. Not scored yet, see ../lad/README.md.
_base_ = ['./kd_fpn_lite0_1xb4-800_camvid-224x288.py']
# Released: weight 3, T = 2, groups of 10, without T^2, which is 3 / 4 of ours; compared at label size, here at that of the
# scores (a quarter). The 11 classes are a group of 10 and one of 1.
model = dict(
    distill=[
        dict(loss=dict(type='dts.ChannelWiseKD', temperature=2.0, group_size=10), weight=3 / 4)
    ]
)
